// The floor's client: one thread, one epoll, as many keep-alive connections as asked for, one or more requests under
// way on each.
#include "internal.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS = 512,
    MAXIMUM_HEAD = 4096,
    MAXIMUM_REQUEST = 16 * 1024,
    // What serves long bodies best: a quarter of it, and four times as much, cost about 5 % more.
    RECEIVE_BUFFER = 256 * 1024,
    PATIENCE_MILLISECONDS = 10000,
};

struct connection {
    int socket;
    // Responses that are still to come.
    int due;
    bool in_body;
    uint64_t body_left;
    int64_t started;
    // The beginning of a head whose rest has not come yet.
    size_t kept;
    char partial[MAXIMUM_HEAD];
};

struct run {
    struct floor_client *client;
    int epoll;
    struct connection *connections;
    int count;
    int open;
    // Before the first pause.
    bool warming;
    // Connections that wait for the pause.
    int resting;
    long unsent;
    // As many requests as a connection sends at once.
    char *requests;
    size_t request_length;
    char buffer[MAXIMUM_HEAD + RECEIVE_BUFFER];
};

static int fail(struct run *run, const char *why) {
    run->client->failure = why;
    return -1;
}

static void watch(struct run *run, struct connection *connection, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    run->client->calls.other++;
    epoll_ctl(run->epoll, operation, connection->socket, &event);
}

static void close_connection(struct run *run, struct connection *connection) {
    if (connection->socket < 0) return;
    run->client->calls.other++;
    // Thousands of them would be in TIME_WAIT otherwise.
    if (run->client->pause) {
        run->client->calls.other++;
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(connection->socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    close(connection->socket);
    connection->socket = -1;
    run->open--;
}

static int open_connection(struct run *run, struct connection *connection) {
    struct floor_client *client = run->client;
    struct sockaddr_in address = floor_address(client->target.ip, client->target.port);
    int yes = 1;
    client->calls.other += 3;
    if (client->latencies) connection->started = floor_now();
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->socket < 0) return fail(run, strerror(errno));
    run->open++;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(connection->socket, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
        return fail(run, strerror(errno));
    watch(run, connection, EPOLL_CTL_ADD, EPOLLOUT);
    return 0;
}

static int send_requests(struct run *run, struct connection *connection, int count) {
    size_t length = (size_t)count * run->request_length;
    connection->due = count;
    run->client->calls.send++;
    // The requests are far smaller than an empty socket buffer: a short write is a failure, not a case.
    ssize_t sent = send(connection->socket, run->requests, length, MSG_NOSIGNAL);
    return sent == (ssize_t)length ? 0 : fail(run, sent < 0 ? strerror(errno) : "short write");
}

// Sends the next requests on a connection that has none under way. If there are no more to send, it rests or is closed.
static int send_next(struct run *run, struct connection *connection) {
    int most = run->client->pipelined;
    if (run->unsent == 0 || run->warming) {
        if (run->client->pause) run->resting++;
        else close_connection(run, connection);
        return 0;
    }
    int count = run->unsent < most ? (int)run->unsent : most;
    run->unsent -= count;
    return send_requests(run, connection, count);
}

static int begin(struct run *run, struct connection *connection) {
    watch(run, connection, EPOLL_CTL_MOD, EPOLLIN);
    return run->warming ? send_requests(run, connection, run->client->pipelined) : send_next(run, connection);
}

static void finish_response(struct run *run, struct connection *connection) {
    struct floor_client *client = run->client;
    connection->due--;
    connection->in_body = false;
    if (client->latencies) {
        int64_t now = floor_now(), taken = now - connection->started;
        client->latencies[client->answered] = taken > UINT32_MAX ? UINT32_MAX : (uint32_t)taken;
        if (!connection->due) connection->started = now;
    }
    if (!run->warming) client->answered++;
}

// No request is under way: the beginning or the end of those that count.
static int take_pause(struct run *run) {
    struct floor_client *client = run->client;
    bool begins = run->warming;
    run->resting = 0;
    run->warming = false;
    client->pause(client->context);
    if (begins) client->body_bytes = 0;
    for (int i = 0; i < run->count; i++) {
        struct connection *connection = &run->connections[i];
        if (client->latencies) connection->started = floor_now();
        if (!begins) close_connection(run, connection);
        else if (send_next(run, connection) < 0) return -1;
    }
    return 0;
}

// Takes a head, if it is complete. Returns its length, or one of floor_parse_head's two.
static ssize_t take_head(struct run *run, struct connection *connection, const char *bytes, size_t length) {
    struct floor_head head;
    ssize_t used = floor_parse_head(bytes, length, &head);
    if (used == FLOOR_INCOMPLETE) {
        if (length > MAXIMUM_HEAD) return fail(run, "the head of a response is too long");
        memcpy(connection->partial, bytes, length);
        connection->kept = length;
        return used;
    }
    if (used < 0 || floor_status(&head) != 200 || !head.has_content_length || !head.keep_alive)
        return fail(run, "a response was not 200 with Content-Length and keep-alive");
    connection->in_body = true;
    connection->body_left = head.content_length;
    return used;
}

// Reads what there is and takes it through heads and bodies.
static int receive(struct run *run, struct connection *connection) {
    struct floor_client *client = run->client;
    char *bytes = run->buffer;
    size_t kept = connection->kept;
    memcpy(bytes, connection->partial, kept);
    client->calls.receive++;
    ssize_t received = recv(connection->socket, bytes + kept, RECEIVE_BUFFER, 0);
    if (received < 0) return errno == EAGAIN || errno == EINTR ? 0 : fail(run, strerror(errno));
    if (received == 0) return fail(run, "the server closed a connection in mid-use");
    size_t length = kept + (size_t)received;
    connection->kept = 0;
    while (length > 0) {
        if (connection->due == 0) return fail(run, "a response came with more bytes than it announced");
        if (!connection->in_body) {
            ssize_t used = take_head(run, connection, bytes, length);
            if (used <= 0) return (int)used;
            bytes += used;
            length -= (size_t)used;
        }
        size_t part = length < connection->body_left ? length : connection->body_left;
        bytes += part;
        length -= part;
        connection->body_left -= part;
        client->body_bytes += part;
        if (connection->body_left == 0) finish_response(run, connection);
    }
    return connection->due ? 0 : send_next(run, connection);
}

static int loop(struct run *run) {
    struct epoll_event events[EVENTS];
    while (run->open > 0) {
        run->client->calls.poll++;
        int count = epoll_wait(run->epoll, events, EVENTS, PATIENCE_MILLISECONDS);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail(run, strerror(errno));
        if (count == 0) return fail(run, "nothing happened for ten seconds");
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            int result = events[i].events & EPOLLOUT ? begin(run, connection) : receive(run, connection);
            if (result < 0) return -1;
        }
        if (run->resting && run->resting == run->open && take_pause(run) < 0) return -1;
    }
    return 0;
}

// Writes the requests that a connection sends at once. False if they cannot be.
static bool write_requests(struct run *run) {
    struct floor_client *client = run->client;
    char request[MAXIMUM_REQUEST];
    int length = floor_write_request(request, sizeof request, client->target, client->fields);
    if (length < 0) return false;
    run->request_length = (size_t)length;
    run->requests = malloc(run->request_length * (size_t)client->pipelined);
    for (int i = 0; i < client->pipelined; i++)
        memcpy(run->requests + (size_t)i * run->request_length, request, run->request_length);
    return true;
}

int floor_client_run(struct floor_client *client) {
    struct run *run = calloc(1, sizeof *run);
    int result = -1;
    run->client = client;
    run->count = client->connections < client->requests ? client->connections : (int)client->requests;
    run->connections = calloc((size_t)run->count, sizeof *run->connections);
    run->unsent = client->requests;
    run->warming = client->pause;
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < run->count; i++) run->connections[i].socket = -1;
    if (!write_requests(run) || run->epoll < 0) {
        fail(run, "the path is too long, or there is no epoll");
    } else {
        result = 0;
        for (int i = 0; i < run->count && result == 0; i++) result = open_connection(run, &run->connections[i]);
        if (result == 0) result = loop(run);
    }
    for (int i = 0; i < run->count; i++) close_connection(run, &run->connections[i]);
    close(run->epoll);
    free(run->requests);
    free(run->connections);
    free(run);
    return result;
}
