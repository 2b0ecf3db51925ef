// The head of a message: as little of HTTP/1.1 as an honest client and server can do with. Every field line is looked
// at, and the fields that frame the body are understood.
#include "internal.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct sockaddr_in floor_address(const char *ip, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, ip, &address.sin_addr);
    return address;
}

int floor_write_request(char *buffer, size_t capacity, struct floor_target target, int fields) {
    size_t length = (size_t)snprintf(buffer, capacity, "GET %s HTTP/1.1\r\nHost: %s:%u\r\n", target.path, target.ip,
                                     target.port);
    for (int field = 2; field <= fields + 1 && length < capacity; field++) {
        char *rest = buffer + length;
        size_t room = capacity - length;
        if (field > fields) length += (size_t)snprintf(rest, room, "\r\n");
        else if (field == 2) length += (size_t)snprintf(rest, room, "Accept: */*\r\n");
        else length += (size_t)snprintf(rest, room, "X-Field-%d: a value of ordinary length\r\n", field);
    }
    return length < capacity ? (int)length : -1;
}

static void take_field(struct floor_head *head, const char *name, size_t name_length, const char *value,
                       const char *end) {
    if (name_length == 14 && !strncasecmp(name, "content-length", 14)) {
        while (value < end && *value == ' ') value++;
        for (head->content_length = 0; value < end && *value >= '0' && *value <= '9'; value++)
            head->content_length = head->content_length * 10 + (uint64_t)(*value - '0');
        head->has_content_length = true;
    } else if (name_length == 10 && !strncasecmp(name, "connection", 10)) {
        if (memmem(value, (size_t)(end - value), "close", 5)) head->keep_alive = false;
    } else if (name_length == 17 && !strncasecmp(name, "transfer-encoding", 17)) {
        if (memmem(value, (size_t)(end - value), "chunked", 7)) head->chunked = true;
    }
}

ssize_t floor_parse_head(const char *bytes, size_t length, struct floor_head *head) {
    const char *end = bytes + length;
    const char *line_end = memchr(bytes, '\n', length);
    if (!line_end) return FLOOR_INCOMPLETE;
    *head = (struct floor_head){.start_line = bytes, .start_length = (size_t)(line_end - bytes), .keep_alive = true};
    if (head->start_length && line_end[-1] == '\r') head->start_length--;
    for (const char *line = line_end + 1;; line = line_end + 1) {
        line_end = memchr(line, '\n', (size_t)(end - line));
        if (!line_end) return FLOOR_INCOMPLETE;
        if (*line == '\r' || *line == '\n') return line_end + 1 - bytes;
        const char *colon = memchr(line, ':', (size_t)(line_end - line));
        if (!colon) return FLOOR_MALFORMED;
        take_field(head, line, (size_t)(colon - line), colon + 1, line_end);
    }
}

int floor_status(const struct floor_head *head) {
    const char *line = head->start_line;
    if (head->start_length < 12 || memcmp(line, "HTTP/1.", 7) || line[8] != ' ') return -1;
    int status = 0;
    for (int i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9') return -1;
        status = status * 10 + (line[i] - '0');
    }
    return status;
}
