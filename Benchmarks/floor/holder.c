// Connections that are opened, used once and then held: what a server has most of.
#include "internal.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 10 };

// One request on a blocking socket, and its whole response.
static int ask(int fd, const char *request, int length) {
    char buffer[4096];
    size_t have = 0;
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) != length) return -1;
    while (have < sizeof buffer) {
        ssize_t received = recv(fd, buffer + have, sizeof buffer - have, 0);
        if (received <= 0) {
            if (received == 0) errno = ECONNRESET;
            return -1;
        }
        have += (size_t)received;
        struct floor_head head;
        ssize_t used = floor_parse_head(buffer, have, &head);
        if (used > 0 && have >= (size_t)used + head.content_length) return floor_status(&head) == 200 ? 0 : -1;
        if (used < 0) break;
    }
    errno = EBADMSG;
    return -1;
}

static int open_socket(struct floor_target target) {
    struct sockaddr_in address = floor_address(target.ip, target.port);
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    return fd;
}

int floor_hold(struct floor_target target, int count, int *sockets) {
    char request[1024];
    int length = floor_write_request(request, sizeof request, target);
    for (int i = 0; i < count; i++) {
        sockets[i] = open_socket(target);
        if (sockets[i] < 0) return i;
        if (ask(sockets[i], request, length)) {
            int reason = errno;
            floor_hold_close(1, &sockets[i]);
            errno = reason;
            return i;
        }
    }
    return count;
}

int floor_hold_ask(struct floor_target target, int count, const int *sockets) {
    char request[1024];
    int length = floor_write_request(request, sizeof request, target), answered = 0;
    for (int i = 0; i < count; i++)
        if (!ask(sockets[i], request, length)) answered++;
    return answered;
}

void floor_hold_close(int count, const int *sockets) {
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < count; i++) {
        setsockopt(sockets[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(sockets[i]);
    }
}
