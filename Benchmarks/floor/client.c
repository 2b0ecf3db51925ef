// The floor's client: one thread, one epoll, as many keep-alive connections as asked for, a request under way on each.
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
    // What serves long bodies best: a quarter of it, and four times as much, cost about 5 % more.
    RECEIVE_BUFFER = 256 * 1024,
    PATIENCE_MILLISECONDS = 10000,
};

struct connection {
    int socket;
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
    int open;
    long unsent;
    int request_length;
    char request[1024];
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

// Sends the next request on a connection that has none under way, or closes it if there are no more to send.
static int send_next(struct run *run, struct connection *connection) {
    if (run->unsent == 0) {
        close_connection(run, connection);
        return 0;
    }
    run->unsent--;
    run->client->calls.send++;
    // A request is far smaller than an empty socket buffer: a short write is a failure, not a case.
    ssize_t sent = send(connection->socket, run->request, (size_t)run->request_length, MSG_NOSIGNAL);
    return sent == run->request_length ? 0 : fail(run, sent < 0 ? strerror(errno) : "short write");
}

static int begin(struct run *run, struct connection *connection) {
    watch(run, connection, EPOLL_CTL_MOD, EPOLLIN);
    return send_next(run, connection);
}

static int finish_response(struct run *run, struct connection *connection) {
    struct floor_client *client = run->client;
    if (client->latencies) {
        int64_t now = floor_now(), taken = now - connection->started;
        client->latencies[client->answered] = taken > UINT32_MAX ? UINT32_MAX : (uint32_t)taken;
        connection->started = now;
    }
    client->answered++;
    connection->in_body = false;
    return send_next(run, connection);
}

// Reads what there is and takes it through head and body.
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
    if (!connection->in_body) {
        struct floor_head head;
        ssize_t used = floor_parse_head(bytes, length, &head);
        if (used == FLOOR_INCOMPLETE) {
            if (length > MAXIMUM_HEAD) return fail(run, "the head of a response is too long");
            memcpy(connection->partial, bytes, length);
            connection->kept = length;
            return 0;
        }
        if (used < 0 || floor_status(&head) != 200 || !head.has_content_length || !head.keep_alive)
            return fail(run, "a response was not 200 with Content-Length and keep-alive");
        connection->kept = 0;
        connection->in_body = true;
        connection->body_left = head.content_length;
        bytes += used;
        length -= (size_t)used;
    }
    if (length > connection->body_left) return fail(run, "a response came with more bytes than it announced");
    connection->body_left -= length;
    client->body_bytes += length;
    return connection->body_left ? 0 : finish_response(run, connection);
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
    }
    return 0;
}

int floor_client_run(struct floor_client *client) {
    int connections = client->connections < client->requests ? client->connections : (int)client->requests;
    struct run *run = calloc(1, sizeof *run);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    int result = -1;
    run->client = client;
    run->unsent = client->requests;
    run->request_length = floor_write_request(run->request, sizeof run->request, client->target);
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < connections; i++) all[i].socket = -1;
    if (run->request_length < 0 || run->epoll < 0) {
        fail(run, "the path is too long, or there is no epoll");
    } else {
        result = 0;
        for (int i = 0; i < connections && result == 0; i++) result = open_connection(run, &all[i]);
        if (result == 0) result = loop(run);
    }
    for (int i = 0; i < connections; i++) close_connection(run, &all[i]);
    close(run->epoll);
    free(all);
    free(run);
    return result;
}
