// Opening files without leaving a directory (openat2(2)), and signals as descriptors (signalfd(2)).
#pragma once
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

// Opens a path below a directory for reading; a path or a symbolic link that leads out of it fails with EXDEV.
// Never waits, whatever is at the path. Needs Linux 5.6.
static inline int clinux_open_beneath(int directory, const char *path) {
    struct open_how how = {
        .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

// Turns two signals of the process into the readiness of a descriptor.
static inline int clinux_signal_descriptor(int first, int second) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, first);
    sigaddset(&signals, second);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) return -1;
    return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}
