// Connections that are opened, used once and then held: what a server has most of.
#include "internal.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 10, BUFFER = 256 * 1024 };

// How far an answer has been read.
struct answer {
    bool in_body;
    bool chunked;
    // The end has been read.
    bool ended;
    // What is left of the body, or of the chunk at hand.
    uint64_t left;
    uint64_t body;
    // The size of the next chunk as far as it has been read, and whether any digit has.
    uint64_t size;
    bool has_size;
    bool is_last;
};

static int malformed(void) {
    errno = EBADMSG;
    return -1;
}

static int digit(char byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// Takes a byte between the data of two chunks: CR LF, the size, CR LF. No server here sends extensions or trailers.
static int take_framing(struct answer *answer, char byte) {
    if (byte == '\r') return 0;
    if (byte == '\n' && answer->has_size) {
        answer->is_last = answer->size == 0;
        answer->left = answer->size;
        answer->size = 0;
        answer->has_size = false;
        return 0;
    }
    if (byte == '\n') {
        answer->ended = answer->is_last;
        return 0;
    }
    if (digit(byte) < 0) return malformed();
    answer->size = answer->size * 16 + (uint64_t)digit(byte);
    answer->has_size = true;
    return 0;
}

static int take_body(struct answer *answer, const char *bytes, size_t length) {
    size_t used = 0;
    while (used < length && !answer->ended) {
        if (answer->left) {
            size_t part = length - used < answer->left ? length - used : answer->left;
            answer->left -= part;
            answer->body += part;
            used += part;
        } else if (!answer->chunked || take_framing(answer, bytes[used++])) {
            return malformed();
        }
        if (!answer->chunked) answer->ended = answer->left == 0;
    }
    return used == length ? 0 : malformed();
}

static int take_head(struct answer *answer, const struct floor_head *head) {
    if (floor_status(head) != 200 || !head->keep_alive) return malformed();
    answer->in_body = true;
    answer->chunked = head->chunked;
    answer->left = head->chunked ? 0 : head->content_length;
    answer->ended = !head->chunked && answer->left == 0;
    return 0;
}

static int read_answer(int fd, size_t expected) {
    static char buffer[BUFFER];
    struct answer answer = {0};
    size_t have = 0;
    while (!answer.ended) {
        ssize_t received = recv(fd, buffer + have, sizeof buffer - have, 0);
        if (received == 0) errno = ECONNRESET;
        if (received <= 0) return -1;
        have += (size_t)received;
        size_t used = 0;
        if (!answer.in_body) {
            struct floor_head head;
            ssize_t length = floor_parse_head(buffer, have, &head);
            if (length < 0 || (length == FLOOR_INCOMPLETE && have == sizeof buffer)) return malformed();
            if (length == FLOOR_INCOMPLETE) continue;
            if (take_head(&answer, &head)) return -1;
            used = (size_t)length;
        }
        if (take_body(&answer, buffer + used, have - used)) return -1;
        have = 0;
    }
    return answer.body == expected ? 0 : malformed();
}

static int send_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0) return -1;
        bytes += sent;
        length -= (size_t)sent;
    }
    return 0;
}

// Makes one request on a blocking socket and reads its whole answer.
static int use_once(int fd, struct floor_use use) {
    static const char zeros[BUFFER];
    char head[1024];
    int length = use.upload
        ? snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: %s:%u\r\nContent-Length: %zu\r\n\r\n",
                   use.target.path, use.target.ip, use.target.port, use.upload)
        : floor_write_request(head, sizeof head, use.target, 2);
    if (length < 0 || length >= (int)sizeof head) return malformed();
    if (send_all(fd, head, (size_t)length)) return -1;
    for (size_t left = use.upload, part; left > 0; left -= part) {
        part = left < sizeof zeros ? left : sizeof zeros;
        if (send_all(fd, zeros, part)) return -1;
    }
    return read_answer(fd, use.answer);
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

int floor_hold(struct floor_use use, int count, int *sockets) {
    for (int i = 0; i < count; i++) {
        sockets[i] = open_socket(use.target);
        if (sockets[i] < 0) return i;
        if (use_once(sockets[i], use)) {
            int reason = errno;
            floor_hold_close(1, &sockets[i]);
            errno = reason;
            return i;
        }
    }
    return count;
}

int floor_hold_ask(struct floor_use use, int count, const int *sockets) {
    int answered = 0;
    for (int i = 0; i < count; i++)
        if (!use_once(sockets[i], use)) answered++;
    return answered;
}

void floor_hold_close(int count, const int *sockets) {
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    for (int i = 0; i < count; i++) {
        setsockopt(sockets[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(sockets[i]);
    }
}
