#include <config.h>

#include "server/webhook_address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct range
{
  uint32_t network;
  int bits;
};

/* IANA's special-purpose registry for IPv4: what is not globally reachable. */
static const struct range not_public[] = {
  {0x00000000, 8},  /* 0.0.0.0: this host */
  {0x0a000000, 8},  /* 10.0.0.0: private */
  {0x64400000, 10}, /* 100.64.0.0: carrier NAT */
  {0x7f000000, 8},  /* 127.0.0.0: loopback */
  {0xa9fe0000, 16}, /* 169.254.0.0: link-local, metadata services */
  {0xac100000, 12}, /* 172.16.0.0: private */
  {0xc0000000, 24}, /* 192.0.0.0: protocol assignments */
  {0xc0000200, 24}, /* 192.0.2.0: documentation */
  {0xc0586300, 24}, /* 192.88.99.0: 6to4 relays */
  {0xc0a80000, 16}, /* 192.168.0.0: private */
  {0xc6120000, 15}, /* 198.18.0.0: benchmarks */
  {0xc6336400, 24}, /* 198.51.100.0: documentation */
  {0xcb007100, 24}, /* 203.0.113.0: documentation */
  {0xe0000000, 3},  /* 224.0.0.0 to the end: multicast, reserved, broadcast */
};

static bool
is_public_4(uint32_t address)
{
  for (size_t i = 0; i < sizeof not_public / sizeof not_public[0]; i++)
    if (((address ^ not_public[i].network) >> (32 - not_public[i].bits)) == 0)
      return false;
  return true;
}

static uint32_t
four_of(const uint8_t *bytes)
{
  return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8
         | (uint32_t) bytes[3];
}

/* Only 2000::/3 is given out to the public; parts of it are not. */
static bool
is_public_6(const struct in6_addr *address)
{
  static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
  const uint8_t *b = address->s6_addr;
  if (IN6_IS_ADDR_V4MAPPED(address) || memcmp(b, nat64, sizeof nat64) == 0)
    return is_public_4(four_of(b + 12));
  if ((b[0] & 0xe0) != 0x20)
    return false; /* ::, ::1, fc00::/7, fe80::/10, ff00::/8 and all that is reserved */
  if (b[0] == 0x20 && b[1] == 0x02)
    return is_public_4(four_of(b + 2)); /* 6to4 */
  if (b[0] == 0x20 && b[1] == 0x01 && (b[2] & 0xfe) == 0)
    return false; /* 2001::/23: Teredo and protocol assignments */
  if (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8)
    return false; /* documentation */
  return !(b[0] == 0x3f && b[1] == 0xff && (b[2] & 0xf0) == 0);
}

bool
webhook_address_public(const struct sockaddr *address)
{
  if (address->sa_family == AF_INET)
    return is_public_4(
      ntohl(((const struct sockaddr_in *) (const void *) address)->sin_addr.s_addr));
  if (address->sa_family == AF_INET6)
    return is_public_6(&((const struct sockaddr_in6 *) (const void *) address)->sin6_addr);
  return false;
}

/* Whether the host is an address by itself (libcurl has normalised "0x7f.1" and the like). */
static bool
literal_is_private(const char *host)
{
  char bare[INET6_ADDRSTRLEN + 1];
  struct sockaddr_in four = {.sin_family = AF_INET};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6};
  size_t length = strlen(host);
  if (inet_pton(AF_INET, host, &four.sin_addr) == 1)
    return !webhook_address_public((const struct sockaddr *) (const void *) &four);
  if (host[0] != '[' || length < 3 || length - 2 >= sizeof bare)
    return strcmp(host, "localhost") == 0;
  memcpy(bare, host + 1, length - 2);
  bare[length - 2] = '\0';
  return inet_pton(AF_INET6, bare, &six.sin6_addr) != 1
         || !webhook_address_public((const struct sockaddr *) (const void *) &six);
}

static bool
has_part(CURLU *parts, CURLUPart which)
{
  char *text = NULL;
  bool there = curl_url_get(parts, which, &text, 0) == CURLUE_OK;
  curl_free(text);
  return there;
}

static const char *
fault_of(CURLU *parts, const char *url, bool allow_private)
{
  char *scheme = NULL, *host = NULL, *port = NULL;
  const char *fault = NULL;
  if (curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK
      || curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK
      || curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
    fault = "this is no URL";
  else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
    fault = "only http and https are called";
  else if (has_part(parts, CURLUPART_USER) || has_part(parts, CURLUPART_PASSWORD))
    fault = "a user or password in the URL would be shown to everybody who reads it";
  else if (has_part(parts, CURLUPART_FRAGMENT))
    fault = "a fragment (#…) is never sent";
  else if (curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
    fault = "the port is not valid";
  else
  {
    long number = strtol(port, NULL, 10);
    if (number != 80 && number != 443 && (number < 1024 || number > 65535))
      fault = "the port must be 80, 443, or from 1024 to 65535";
    else if (!allow_private && literal_is_private(host))
      fault = "this address is not one of the public Internet";
  }
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
  return fault;
}

const char *
webhook_url_fault(const char *url, bool allow_private)
{
  for (const char *c = url; *c; c++)
    if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 0x7f)
      return "only printable ASCII is allowed; percent-encode the rest";
  if (strlen(url) > WEBHOOK_URL_MAX)
    return "it is longer than 2000 bytes";
  CURLU *parts = curl_url();
  if (!parts)
    return "it could not be read";
  const char *fault = fault_of(parts, url, allow_private);
  curl_url_cleanup(parts);
  return fault;
}
