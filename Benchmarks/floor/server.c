// The floor's server: one thread, one epoll, one timerfd for all the delayed answers.
#include "internal.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    EVENTS = 512,
    ACCEPTS_PER_EVENT = 64,
    MAXIMUM_KEPT = 8192,
    INPUT = 16 * 1024,
    OUTPUT = 64 * 1024,
    MAXIMUM_DELAY = 100 * 1000,
    MAXIMUM_BODY = 1 << 30,
    BLOCK = 256 * 1024,
    LONGEST_ANSWER = 8192,
    CHUNK = 64 * 1024,
    // With its size in front and the end of a line behind.
    FRAMED_CHUNK = 7 + CHUNK + 2,
};

static const char last_chunk[] = "0\r\n\r\n";

struct connection {
    int socket;
    uint32_t watched;
    bool keep_alive;
    // Whether the long body that is being sent is one of chunks.
    bool chunked;
    // Input whose request is incomplete or must wait for its turn, and output that the kernel did not take yet.
    char *kept;
    size_t kept_length;
    char *unsent;
    size_t unsent_length;
    // What is still to be sent, after that, of the blocks of a long body.
    size_t blocks_left;
    // What is still to come of the body of a request. The answer waits for it.
    uint64_t upload_left;
    // Its place among the delayed answers; 0: none is due.
    int64_t due;
    struct connection *earlier, *later;
};

struct server {
    struct floor_server *public;
    int epoll;
    int timer;
    bool accepting;
    struct connection *first_due, *last_due;
    // Closed connections, kept until the events at hand are worked off: one of them may still name them.
    struct connection *graveyard;
    time_t answer_second;
    size_t answer_length;
    char answer[256];
    char input[INPUT];
    char output[OUTPUT];
    char zeros[BLOCK];
    char chunk[FRAMED_CHUNK];
    size_t events_length;
    char events[LONGEST_ANSWER];
};

static const int yes = 1;

static void refresh_answer(struct server *server) {
    time_t now = time(NULL);
    if (now == server->answer_second) return;
    server->answer_second = now;
    char date[64];
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    server->answer_length = (size_t)snprintf(server->answer, sizeof server->answer,
                                             "HTTP/1.1 200 OK\r\nServer: floor\r\nDate: %s\r\n"
                                             "Content-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!",
                                             date);
}

// The head of an answer with a long body; its fields are as few as can be.
static size_t write_long_head(char *buffer, size_t capacity, size_t body) {
    return (size_t)snprintf(buffer, capacity,
                            "HTTP/1.1 200 OK\r\nServer: floor\r\nContent-Type: application/octet-stream\r\n"
                            "Content-Length: %zu\r\n\r\n",
                            body);
}

static const char chunked_head[] = "HTTP/1.1 200 OK\r\nServer: floor\r\nContent-Type: application/octet-stream\r\n"
                                   "Transfer-Encoding: chunked\r\n\r\n";
static const char events_head[] = "HTTP/1.1 200 OK\r\nServer: floor\r\nContent-Type: text/event-stream\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n";

// The chunk of which a chunked body has many, and the whole answer with the events.
static void write_chunks(struct server *server) {
    memcpy(server->chunk, "10000\r\n", FRAMED_CHUNK - CHUNK - 2);
    memcpy(server->chunk + FRAMED_CHUNK - 2, "\r\n", 2);
    char *end = stpcpy(server->events, events_head);
    for (int i = 0; i < FLOOR_EVENTS; i++)
        end += sprintf(end, "%zx\r\n%s\r\n", sizeof FLOOR_EVENT - 1, FLOOR_EVENT);
    server->events_length = (size_t)(stpcpy(end, last_chunk) - server->events);
}

static int control(struct server *server, int operation, int fd, uint32_t events, void *data) {
    struct epoll_event event = {.events = events, .data.ptr = data};
    server->public->calls.other++;
    return epoll_ctl(server->epoll, operation, fd, &event);
}

static void watch(struct server *server, struct connection *connection, uint32_t events) {
    if (connection->watched == events) return;
    connection->watched = events;
    control(server, EPOLL_CTL_MOD, connection->socket, events, connection);
}

// MARK: Delayed answers, in the order in which they are due

static void arm_timer(struct server *server) {
    struct itimerspec setting = {0};
    if (server->first_due) {
        setting.it_value.tv_sec = server->first_due->due / 1000000000;
        setting.it_value.tv_nsec = server->first_due->due % 1000000000;
    }
    server->public->calls.other++;
    timerfd_settime(server->timer, TFD_TIMER_ABSTIME, &setting, NULL);
}

static void delay(struct server *server, struct connection *connection, int milliseconds) {
    connection->due = floor_now() + (int64_t)milliseconds * 1000000;
    struct connection *earlier = server->last_due;
    while (earlier && earlier->due > connection->due) earlier = earlier->earlier;
    struct connection *later = earlier ? earlier->later : server->first_due;
    connection->earlier = earlier;
    connection->later = later;
    *(earlier ? &earlier->later : &server->first_due) = connection;
    *(later ? &later->earlier : &server->last_due) = connection;
    if (!earlier) arm_timer(server);
}

static void undelay(struct server *server, struct connection *connection) {
    if (!connection->due) return;
    connection->due = 0;
    *(connection->earlier ? &connection->earlier->later : &server->first_due) = connection->later;
    *(connection->later ? &connection->later->earlier : &server->last_due) = connection->earlier;
}

// MARK: Connections

static void drop(struct server *server, struct connection *connection) {
    undelay(server, connection);
    server->public->calls.other++;
    close(connection->socket);
    connection->socket = -1;
    connection->later = server->graveyard;
    server->graveyard = connection;
    if (!server->accepting) {
        server->accepting = true;
        control(server, EPOLL_CTL_MOD, server->public->listener, EPOLLIN, &server->public->listener);
    }
}

static void bury(struct server *server) {
    while (server->graveyard) {
        struct connection *connection = server->graveyard;
        server->graveyard = connection->later;
        free(connection->kept);
        free(connection->unsent);
        free(connection);
    }
}

static void accept_some(struct server *server) {
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        server->public->calls.other++;
        int fd = accept4(server->public->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
            // No descriptor is free: the listener would stay readable and the loop spin. The next drop listens again.
            server->accepting = false;
            control(server, EPOLL_CTL_MOD, server->public->listener, 0, &server->public->listener);
        }
        if (fd < 0) return;
        server->public->calls.other++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct connection *connection = calloc(1, sizeof *connection);
        *connection = (struct connection){.socket = fd, .watched = EPOLLIN, .keep_alive = true};
        control(server, EPOLL_CTL_ADD, fd, EPOLLIN, connection);
    }
}

static bool is_sending(const struct connection *connection) { return connection->unsent || connection->blocks_left; }

// The next part of a long body; empty if there is none.
static struct iovec next_block(struct server *server, const struct connection *connection) {
    size_t left = connection->blocks_left;
    if (!left) return (struct iovec){NULL, 0};
    if (!connection->chunked) return (struct iovec){server->zeros, left < BLOCK ? left : BLOCK};
    size_t of_chunk = (left - 1) % FRAMED_CHUNK + 1;
    return (struct iovec){server->chunk + FRAMED_CHUNK - of_chunk, of_chunk};
}

// Sends the bytes, and the blocks that follow them; what the kernel does not take is kept, and reading stops until it
// is gone. False if the connection is dropped.
static bool send_bytes(struct server *server, struct connection *connection, const char *bytes, size_t length) {
    while (length > 0 || connection->blocks_left > 0) {
        struct iovec parts[] = {{(char *)bytes, length}, next_block(server, connection)};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        server->public->calls.send++;
        ssize_t sent = parts[1].iov_len ? sendmsg(connection->socket, &message, MSG_NOSIGNAL)
                                        : send(connection->socket, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) break;
        if (sent < 0) {
            drop(server, connection);
            return false;
        }
        size_t of_bytes = (size_t)sent < length ? (size_t)sent : length;
        bytes += of_bytes;
        length -= of_bytes;
        connection->blocks_left -= (size_t)sent - of_bytes;
        if (connection->chunked && connection->blocks_left == 0) {
            connection->chunked = false;
            bytes = last_chunk;
            length = sizeof last_chunk - 1;
        }
    }
    char *rest = NULL;
    if (length > 0) {
        rest = malloc(length);
        memcpy(rest, bytes, length);
    }
    free(connection->unsent);
    connection->unsent = rest;
    connection->unsent_length = length;
    bool sending = is_sending(connection);
    watch(server, connection, sending ? EPOLLOUT : EPOLLIN);
    if (!sending && !connection->keep_alive && !connection->due && !connection->upload_left) drop(server, connection);
    return connection->socket >= 0;
}

// What a request asks for: the short answer, that after a delay, a long body, or one in chunks.
struct wish {
    // -1: no delay. 0 bytes: the short answer.
    int milliseconds;
    int bytes;
    bool chunks;
    bool events;
};

// The number behind `prefix`, up to `most`; -1 if `path` begins otherwise.
static int number_behind(const char *prefix, const char *path, const char *end, int most) {
    size_t length = strlen(prefix);
    if ((size_t)(end - path) < length || memcmp(path, prefix, length)) return -1;
    int64_t number = 0;
    for (const char *digit = path + length; digit < end && *digit >= '0' && *digit <= '9' && number < most; digit++)
        number = number * 10 + (*digit - '0');
    return number < most ? (int)number : most;
}

static bool is(const char *text, const char *path, const char *end) {
    size_t length = strlen(text);
    return (size_t)(end - path) == length && !memcmp(path, text, length);
}

// False for what is no request.
static bool parse_wish(const struct floor_head *head, struct wish *wish) {
    const char *line = head->start_line, *end = line + head->start_length;
    const char *space = memchr(line, ' ', head->start_length);
    if (!space || end - space < 11 || memcmp(end - 9, " HTTP/1.", 8)) return false;
    const char *path = space + 1, *path_end = end - 9;
    int bytes = number_behind("/bytes/", path, path_end, MAXIMUM_BODY);
    wish->milliseconds = number_behind("/delay/", path, path_end, MAXIMUM_DELAY);
    wish->bytes = bytes > 0 ? bytes : 0;
    wish->chunks = is("/chunked", path, path_end);
    wish->events = is("/events", path, path_end);
    return true;
}

// Buffers the answer to a request, or has it wait until it is due. Returns how much is buffered now.
static size_t grant(struct server *server, struct connection *connection, struct wish wish, size_t filled) {
    char *room = server->output + filled;
    const char *bytes = server->answer;
    size_t length = server->answer_length;
    if (wish.milliseconds >= 0) {
        delay(server, connection, wish.milliseconds);
        return filled;
    } else if (wish.bytes) {
        connection->blocks_left = (size_t)wish.bytes;
        return filled + write_long_head(room, OUTPUT - filled, connection->blocks_left);
    } else if (wish.chunks) {
        connection->chunked = true;
        connection->blocks_left = (size_t)FLOOR_LONG_BODY / CHUNK * FRAMED_CHUNK;
        bytes = chunked_head;
        length = sizeof chunked_head - 1;
    } else if (wish.events) {
        bytes = server->events;
        length = server->events_length;
    }
    memcpy(room, bytes, length);
    return filled + length;
}

// Answers the requests in `bytes`, together, up to the first that is incomplete, delayed, for a long body or the
// connection's last.
// Returns how many bytes it used, or -1 if the connection is gone.
static ssize_t answer(struct server *server, struct connection *connection, const char *bytes, size_t length) {
    size_t used = 0, filled = 0;
    while (used < length && connection->keep_alive && !connection->due && !connection->blocks_left) {
        struct floor_head head;
        struct wish wish;
        ssize_t head_length = floor_parse_head(bytes + used, length - used, &head);
        if (head_length < 0 || (head_length > 0 && !parse_wish(&head, &wish))) {
            drop(server, connection);
            return -1;
        }
        if (head_length == 0) break;
        used += (size_t)head_length;
        server->public->requests++;
        connection->keep_alive = head.keep_alive;
        if (head.content_length > length - used) {
            connection->upload_left = head.content_length - (length - used);
            used = length;
            break;
        }
        used += head.content_length;
        filled = grant(server, connection, wish, filled);
        // Full, or nobody takes it: the rest of the requests waits in `kept` until it is sent.
        if (filled + LONGEST_ANSWER > OUTPUT) break;
    }
    if (filled && !send_bytes(server, connection, server->output, filled)) return -1;
    return (ssize_t)used;
}

// Drops what belongs to the body of a request, and gives the short answer at its end. Returns how much that was, or -1
// if the connection is gone.
static ssize_t take_upload(struct server *server, struct connection *connection, size_t length) {
    size_t part = length < connection->upload_left ? length : connection->upload_left;
    connection->upload_left -= part;
    if (part == 0 || connection->upload_left) return (ssize_t)part;
    return send_bytes(server, connection, server->answer, server->answer_length) ? (ssize_t)part : -1;
}

// Answers what can be answered of `bytes` and keeps the rest.
static void serve(struct server *server, struct connection *connection, const char *bytes, size_t length) {
    while (length > 0 && !connection->due && !is_sending(connection)) {
        ssize_t used = connection->upload_left ? take_upload(server, connection, length)
                                               : answer(server, connection, bytes, length);
        if (used < 0) return;
        if (used == 0) break;
        bytes += used;
        length -= (size_t)used;
    }
    if (length > MAXIMUM_KEPT) {
        drop(server, connection);
        return;
    }
    char *kept = NULL;
    if (length > 0) {
        kept = malloc(length);
        memcpy(kept, bytes, length);
    }
    free(connection->kept);
    connection->kept = kept;
    connection->kept_length = length;
}

static void receive(struct server *server, struct connection *connection) {
    // Requests behind a delayed answer stay in the kernel until that is sent; only the end of the connection is news.
    if (connection->due) {
        watch(server, connection, 0);
        return;
    }
    if (connection->kept_length) memcpy(server->input, connection->kept, connection->kept_length);
    server->public->calls.receive++;
    ssize_t received = recv(connection->socket, server->input + connection->kept_length,
                            INPUT - connection->kept_length, 0);
    if (received > 0) {
        serve(server, connection, server->input, connection->kept_length + (size_t)received);
    } else if (received == 0 || (errno != EAGAIN && errno != EINTR)) {
        drop(server, connection);
    }
}

// Goes on with the requests that waited behind an answer which is now sent.
static void resume(struct server *server, struct connection *connection) {
    size_t length = connection->kept_length;
    if (length == 0 || connection->due || is_sending(connection)) return;
    memcpy(server->input, connection->kept, length);
    serve(server, connection, server->input, length);
}

static void send_due(struct server *server) {
    uint64_t expirations;
    server->public->calls.other++;
    if (read(server->timer, &expirations, sizeof expirations) < 0) return;
    int64_t now = floor_now();
    while (server->first_due && server->first_due->due <= now) {
        struct connection *connection = server->first_due;
        undelay(server, connection);
        if (send_bytes(server, connection, server->answer, server->answer_length)) resume(server, connection);
    }
    if (server->first_due) arm_timer(server);
}

static void handle(struct server *server, struct connection *connection, uint32_t events) {
    if (connection->socket < 0) return;
    if (connection->due && events & (EPOLLERR | EPOLLHUP)) {
        drop(server, connection);
    } else if (is_sending(connection)) {
        char *unsent = connection->unsent;
        connection->unsent = NULL;
        bool alive = send_bytes(server, connection, unsent, connection->unsent_length);
        free(unsent);
        if (alive) resume(server, connection);
    } else {
        receive(server, connection);
    }
}

// MARK: The loop

static int loop(struct server *server) {
    struct epoll_event events[EVENTS];
    while (true) {
        server->public->calls.poll++;
        int count = epoll_wait(server->epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) {
            server->public->failure = strerror(errno);
            return -1;
        }
        refresh_answer(server);
        for (int i = 0; i < count; i++) {
            void *data = events[i].data.ptr;
            if (data == &server->public->lifeline) return 0;
            if (data == &server->public->listener) accept_some(server);
            else if (data == &server->timer) send_due(server);
            else handle(server, data, events[i].events);
        }
        bury(server);
    }
}

int floor_listen(uint16_t *port) {
    struct sockaddr_in address = floor_address("127.0.0.1", *port);
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) return -1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096) ||
        getsockname(listener, (struct sockaddr *)&address, &length)) {
        close(listener);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return listener;
}

int floor_server_run(struct floor_server *public) {
    struct server *server = calloc(1, sizeof *server);
    int result = -1;
    server->public = public;
    server->accepting = true;
    write_chunks(server);
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    // A lifeline that is a regular file or /dev/null cannot be watched, and needs not be.
    if (public->lifeline >= 0) control(server, EPOLL_CTL_ADD, public->lifeline, EPOLLIN, &public->lifeline);
    if (server->epoll < 0 || server->timer < 0 ||
        control(server, EPOLL_CTL_ADD, public->listener, EPOLLIN, &public->listener) ||
        control(server, EPOLL_CTL_ADD, server->timer, EPOLLIN, &server->timer)) {
        public->failure = strerror(errno);
    } else {
        result = loop(server);
    }
    close(server->timer);
    close(server->epoll);
    bury(server);
    free(server);
    return result;
}
