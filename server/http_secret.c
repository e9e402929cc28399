#include <config.h>

#include "server/http_secret.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

#define ID_CHARS 20
#define SECRET_CHARS 43

void
http_secret_hash(const char *text, uint8_t hash[32])
{
  crypto_generichash(hash, 32, (const unsigned char *) text, strlen(text), NULL, 0);
}

static void
random_text(char text[SECRET_CHARS + 1])
{
  unsigned char bytes[32];
  randombytes_buf(bytes, sizeof bytes);
  sodium_bin2base64(text, SECRET_CHARS + 1, bytes, sizeof bytes,
                    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  sodium_memzero(bytes, sizeof bytes);
}

void
http_secret_new(char text[HTTP_TOKEN_SIZE], uint8_t hash[32])
{
  random_text(text);
  http_secret_hash(text, hash);
}

void
http_secret_new_key(const char *id, char text[HTTP_TOKEN_SIZE], uint8_t hash[32])
{
  char *at = stpcpy(text, HTTP_KEY_PREFIX);
  at = stpcpy(at, id + strlen("key_"));
  *at++ = '_';
  random_text(at);
  http_secret_hash(text, hash);
}

static bool
is_secret(const char *text, size_t length)
{
  if (length != SECRET_CHARS)
    return false;
  for (size_t i = 0; i < length; i++)
  {
    char c = text[i];
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-'
          || c == '_'))
      return false;
  }
  return true;
}

/* A key and nothing else. */
static bool
parse_key(const char *text, size_t length, struct http_credential *credential)
{
  size_t prefix = strlen(HTTP_KEY_PREFIX);
  if (length != prefix + ID_CHARS + 1 + SECRET_CHARS || strncmp(text, HTTP_KEY_PREFIX, prefix) != 0
      || text[prefix + ID_CHARS] != '_' || !is_secret(text + prefix + ID_CHARS + 1, SECRET_CHARS))
    return false;
  for (size_t i = 0; i < ID_CHARS; i++)
  {
    char c = text[prefix + i];
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')))
      return false;
  }
  memset(credential, 0, sizeof *credential);
  memcpy(credential->key_id, "key_", 4);
  memcpy(credential->key_id + 4, text + prefix, ID_CHARS);
  crypto_generichash(credential->hash, 32, (const unsigned char *) text, length, NULL, 0);
  return true;
}

bool
http_secret_parse_bearer(const char *authorization, struct http_credential *credential)
{
  if (strncasecmp(authorization, "Bearer", 6) != 0 || authorization[6] != ' ')
    return false;
  const char *text = authorization + 6 + strspn(authorization + 6, " ");
  size_t length = strcspn(text, " \t");
  return !text[length + strspn(text + length, " \t")] && parse_key(text, length, credential);
}

bool
http_secret_parse_basic(const char *authorization, struct http_credential *credential)
{
  char pair[2 * HTTP_TOKEN_SIZE] = "";
  size_t length = 0;
  if (strncasecmp(authorization, "Basic", 5) != 0 || authorization[5] != ' ')
    return false;
  const char *text = authorization + 5 + strspn(authorization + 5, " ");
  bool good = sodium_base642bin((unsigned char *) pair, sizeof pair - 1, text, strlen(text), " \t",
                                &length, NULL, sodium_base64_VARIANT_ORIGINAL)
              == 0;
  good = good && parse_key(pair, strcspn(pair, ":"), credential);
  sodium_memzero(pair, sizeof pair);
  return good;
}

bool
http_secret_parse_cookie(const char *cookie, struct http_credential *credential)
{
  size_t name_length = strlen(HTTP_COOKIE);
  while (*cookie)
  {
    cookie += strspn(cookie, "; \t");
    size_t length = strcspn(cookie, ";");
    if (length > name_length && cookie[name_length] == '='
        && strncmp(cookie, HTTP_COOKIE, name_length) == 0)
    {
      const char *value = cookie + name_length + 1;
      size_t value_length = length - name_length - 1;
      if (!is_secret(value, value_length))
        return false;
      memset(credential, 0, sizeof *credential);
      credential->by_session = true;
      crypto_generichash(credential->hash, 32, (const unsigned char *) value, value_length, NULL,
                         0);
      return true;
    }
    cookie += length;
  }
  return false;
}
