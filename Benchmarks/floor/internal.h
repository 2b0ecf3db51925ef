// What the files of the floor share: time, sockets and the head of a message.
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CFloor.h"
#include <netinet/in.h>
#include <sys/types.h>
#include <time.h>

// Nanoseconds of CLOCK_MONOTONIC.
static inline int64_t floor_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct sockaddr_in floor_address(const char *ip, uint16_t port);

// Writes the request for `target` with so many header fields; returns its length, or -1 if there is no room.
int floor_write_request(char *buffer, size_t capacity, struct floor_target target, int fields);

// The head of a request or a response.
struct floor_head {
    const char *start_line;
    size_t start_length;
    uint64_t content_length;
    bool has_content_length;
    bool chunked;
    bool keep_alive;
};

enum { FLOOR_INCOMPLETE = 0, FLOOR_MALFORMED = -1 };

// Parses the start line and every field line. Returns the length of the head, or one of the two above.
ssize_t floor_parse_head(const char *bytes, size_t length, struct floor_head *head);

// The status of a response's start line; -1 if it is none.
int floor_status(const struct floor_head *head);
