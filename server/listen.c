#include <config.h>

#include "server/listen.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
listen_parse(const char *text, struct sockaddr_storage *address)
{
  char host[64];
  const char *colon = strrchr(text, ':');
  size_t length = colon ? (size_t) (colon - text) : 0;
  char *end;
  if (!colon || length >= sizeof host)
    return false;
  unsigned long port = strtoul(colon + 1, &end, 10);
  if (colon[1] < '0' || colon[1] > '9' || *end || port > 65535)
    return false;
  bool bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
  memcpy(host, text + (bracketed ? 1 : 0), length - (bracketed ? 2 : 0));
  host[length - (bracketed ? 2 : 0)] = '\0';
  memset(address, 0, sizeof *address);
  struct sockaddr_in *four = (struct sockaddr_in *) address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *) address;
  if (!bracketed
      && inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &four->sin_addr)
           == 1)
  {
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t) port);
    return true;
  }
  if (inet_pton(AF_INET6, host, &six->sin6_addr) != 1)
    return false;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons((uint16_t) port);
  return true;
}

bool
listen_is_loopback(const struct sockaddr_storage *address)
{
  const struct sockaddr_in *four = (const struct sockaddr_in *) address;
  const struct sockaddr_in6 *six = (const struct sockaddr_in6 *) address;
  if (address->ss_family == AF_INET)
    return (ntohl(four->sin_addr.s_addr) >> 24) == 127;
  return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

void
listen_base(const struct sockaddr_storage *address, bool tls, unsigned port, char *base,
            size_t size)
{
  char host[INET6_ADDRSTRLEN] = "127.0.0.1";
  const struct sockaddr_in *four = (const struct sockaddr_in *) address;
  const struct sockaddr_in6 *six = (const struct sockaddr_in6 *) address;
  bool bracket = false;
  if (address->ss_family == AF_INET && four->sin_addr.s_addr != htonl(INADDR_ANY))
    inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
  else if (address->ss_family == AF_INET6 && !IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr))
    bracket = inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host) != NULL;
  snprintf(base, size, "%s://%s%s%s:%u", tls ? "https" : "http", bracket ? "[" : "", host,
           bracket ? "]" : "", port);
}
