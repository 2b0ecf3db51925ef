// What the benchmark needs to know and to do about processes, and Swift cannot say.
#include "internal.h"
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

void floor_die_with_parent(void) {
    pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // It may have died in between.
    if (getppid() != parent) _exit(1);
}

int floor_allowed_cpus(int *cpus, int capacity) {
    cpu_set_t set;
    int count = 0;
    if (sched_getaffinity(0, sizeof set, &set)) return 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && count < capacity; cpu++)
        if (CPU_ISSET(cpu, &set)) cpus[count++] = cpu;
    return count;
}

int floor_restrict_to_cpus(const int *cpus, int count) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < count; i++) CPU_SET(cpus[i], &set);
    return sched_setaffinity(0, sizeof set, &set);
}
