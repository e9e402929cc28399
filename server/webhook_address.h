/* Where a webhook may go: which URLs are taken, which addresses may be connected to. Pure; any thread.
 *
 * The address is checked on the socket that is about to be connected, so a name that resolves to one address
 * now and to another later (DNS rebinding) gains nothing.
 */
#ifndef ATTUNE_SERVER_WEBHOOK_ADDRESS_H
#define ATTUNE_SERVER_WEBHOOK_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#define WEBHOOK_URL_MAX 2000

/* NULL when the URL can be called: http or https, a host, no user or password, no fragment, a port of 80, 443
 * or from 1024, and no literal address that is not public (unless allow_private). Else what is wrong. */
const char *webhook_url_fault(const char *url, bool allow_private);

/* Whether it is an address of the public Internet: none of loopback, private, link-local (where clouds keep
 * their metadata), carrier NAT, unique local, multicast, reserved, documentation, unspecified; an IPv4 address
 * inside an IPv6 one (mapped, compatible, NAT64, 6to4, Teredo) is looked at as what it is, or refused. */
bool webhook_address_public(const struct sockaddr *address);

#endif
