/* Which URLs and addresses a webhook may call, and what it is signed with. */
#include <config.h>

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/webhook_address.h"
#include "server/webhook_send.h"

static bool
is_public(const char *text)
{
  struct sockaddr_in four = {.sin_family = AF_INET};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6};
  if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
    return webhook_address_public((const struct sockaddr *) (const void *) &four);
  assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
  return webhook_address_public((const struct sockaddr *) (const void *) &six);
}

/* The first and the last of each range, and its neighbours. */
static void
test_addresses(void **state)
{
  (void) state;
  static const char *const inner[] = {"0.0.0.0",
                                      "0.255.255.255",
                                      "10.0.0.0",
                                      "10.255.255.255",
                                      "100.64.0.0",
                                      "100.127.255.255",
                                      "127.0.0.1",
                                      "127.255.255.255",
                                      "169.254.0.0",
                                      "169.254.169.254",
                                      "172.16.0.0",
                                      "172.31.255.255",
                                      "192.0.0.8",
                                      "192.0.2.1",
                                      "192.168.0.1",
                                      "192.168.255.255",
                                      "198.18.0.0",
                                      "198.19.255.255",
                                      "198.51.100.7",
                                      "203.0.113.9",
                                      "224.0.0.1",
                                      "239.255.255.255",
                                      "240.0.0.1",
                                      "255.255.255.255",
                                      "::",
                                      "::1",
                                      "::7f00:1",
                                      "::ffff:10.0.0.1",
                                      "64:ff9b::10.0.0.1",
                                      "fc00::1",
                                      "fdff::1",
                                      "fe80::1",
                                      "fec0::1",
                                      "ff02::1",
                                      "2002:a00:1::",
                                      "2001::1",
                                      "2001:db8::1",
                                      "3fff::1",
                                      "100::1"};
  static const char *const outer[] = {
    "1.0.0.0",         "9.255.255.255",   "11.0.0.0",         "100.63.255.255",  "100.128.0.0",
    "126.255.255.255", "128.0.0.0",       "169.253.255.255",  "169.255.0.0",     "172.15.255.255",
    "172.32.0.0",      "192.167.255.255", "192.169.0.0",      "198.17.255.255",  "198.20.0.0",
    "223.255.255.255", "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8", "2606:4700::1111", "2a00:1450::1",
    "2002:808:808::"};
  for (size_t i = 0; i < sizeof inner / sizeof inner[0]; i++)
    if (is_public(inner[i]))
      fail_msg("%s is taken for public", inner[i]);
  for (size_t i = 0; i < sizeof outer / sizeof outer[0]; i++)
    if (!is_public(outer[i]))
      fail_msg("%s is not taken for public", outer[i]);
  struct sockaddr local = {.sa_family = AF_UNIX};
  assert_false(webhook_address_public(&local));
}

static void
test_urls(void **state)
{
  (void) state;
  static const char *const good[] = {"https://example.com", "http://example.com:8080/a?b=c",
                                     "https://[2606:4700::1111]/", "http://8.8.8.8/"};
  static const char *const bad[] = {"",
                                    "example.com",
                                    "ftp://example.com",
                                    "file:///etc/passwd",
                                    "http://a:b@example.com",
                                    "http://example.com:25/",
                                    "http://example.com:70000/",
                                    "http://example.com/#x",
                                    "http://exa mple.com/",
                                    "http://example.com/\n",
                                    "http://",
                                    "http://[::1]/",
                                    "http://127.1/",
                                    "http://2130706433/"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
    assert_null(webhook_url_fault(good[i], false));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    if (!webhook_url_fault(bad[i], false))
      fail_msg("\"%s\" is taken", bad[i]);
  assert_null(webhook_url_fault("http://127.0.0.1:9000/", true));
}

/* RFC 4231's second case has the key "Jefe"; here the text is ours: the digest is Python's hmac of it. */
static void
test_signature(void **state)
{
  (void) state;
  char signature[WEBHOOK_SIGNATURE_SIZE];
  webhook_sign(signature, "Jefe", 1764000000, "{\"id\":1}", 8);
  assert_string_equal(
    signature, "t=1764000000,v1=b46c41dc4980f281a7f24bbdca20c1272f0f30e799f11fb8245d9a98d4e8651b");
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_addresses), cmocka_unit_test(test_urls),
                                     cmocka_unit_test(test_signature)};
  return cmocka_run_group_tests_name("webhook", tests, NULL, NULL);
}
