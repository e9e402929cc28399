/* The address attuned listens at: read from an option, and shown as people type it. */
#ifndef ATTUNE_SERVER_LISTEN_H
#define ATTUNE_SERVER_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Reads "127.0.0.1:8080", "localhost:0" or "[::1]:8080"; false when it is none of these. */
bool listen_parse(const char *text, struct sockaddr_storage *address);

/* Whether only this machine can reach it. */
bool listen_is_loopback(const struct sockaddr_storage *address);

/* Writes "http://127.0.0.1:8080": an address open to all is shown as this machine's own. */
void listen_base(const struct sockaddr_storage *address, bool tls, unsigned port, char *base,
                 size_t size);

#endif
