#include <config.h>

#include "server/tls.h"

#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define PEM_MAX ((size_t) 1 << 20)
#define AUTHORITIES_MAX ((size_t) 8 << 20)
#define CHAIN_MOST 16
#define WARN_S ((time_t) 14 * 24 * 3600)

/* One certificate with its chain and key; lives until tls_free. */
struct pair
{
  gnutls_pcert_st chain[CHAIN_MOST];
  unsigned int length;
  gnutls_privkey_t key;
  struct pair *older;
};

struct tls
{
  char *cert_path;
  char *key_path;
  pthread_mutex_t mutex;
  struct pair *pair; /* the one that is shown */
};

/* The callback has no other way to it. */
static struct tls *shown;

static void
free_pair(struct pair *pair)
{
  for (unsigned int i = 0; i < pair->length; i++)
    gnutls_pcert_deinit(&pair->chain[i]);
  if (pair->key)
    gnutls_privkey_deinit(pair->key);
  free(pair);
}

static void
format_day(time_t at, char *text, size_t size)
{
  char full[32];
  clock_format_rfc3339((int64_t) at * 1000000, full, sizeof full);
  snprintf(text, size, "%.*s", (int) strcspn(full, "T"), full);
}

static enum err
check_days(const struct tls *tls, const gnutls_datum_t *pem, struct err_info *info)
{
  gnutls_x509_crt_t crt = NULL;
  char day[32];
  enum err err = ERR_OK;
  if (gnutls_x509_crt_init(&crt) < 0)
    return err_set(info, ERR_MEMORY, "out of memory");
  if (gnutls_x509_crt_import(crt, pem, GNUTLS_X509_FMT_PEM) < 0)
    err = err_set(info, ERR_INVALID, "%s holds no certificate", tls->cert_path);
  else
  {
    time_t now = time(NULL), from = gnutls_x509_crt_get_activation_time(crt),
           to = gnutls_x509_crt_get_expiration_time(crt);
    format_day(now > to || now >= from ? to : from, day, sizeof day);
    if (now > to)
      err = err_set(info, ERR_INVALID, "the certificate in %s expired on %s: renew it",
                    tls->cert_path, day);
    else if (now < from)
      err = err_set(info, ERR_INVALID, "the certificate in %s is valid only from %s on",
                    tls->cert_path, day);
    else if (to - now < WARN_S)
      log_warning("the certificate in %s expires on %s: renew it and send SIGHUP", tls->cert_path,
                  day);
  }
  gnutls_x509_crt_deinit(crt);
  return err;
}

/* The key and the first certificate have the same public key. */
static bool
belong_together(const struct pair *pair, gnutls_x509_privkey_t key)
{
  unsigned char of_cert[64], of_key[64];
  size_t cert_size = sizeof of_cert, key_size = sizeof of_key;
  return gnutls_pubkey_get_key_id(pair->chain[0].pubkey, 0, of_cert, &cert_size) >= 0
         && gnutls_x509_privkey_get_key_id(key, 0, of_key, &key_size) >= 0 && cert_size == key_size
         && memcmp(of_cert, of_key, key_size) == 0;
}

static enum err
import_key(const struct tls *tls, const gnutls_datum_t *pem, struct pair *pair,
           struct err_info *info)
{
  gnutls_x509_privkey_t key = NULL;
  enum err err = ERR_OK;
  if (gnutls_x509_privkey_init(&key) < 0)
    return err_set(info, ERR_MEMORY, "out of memory");
  int rc = gnutls_x509_privkey_import2(key, pem, GNUTLS_X509_FMT_PEM, NULL, 0);
  if (rc < 0)
    err = err_set(info, ERR_INVALID, "%s holds no private key without a password (PEM): %s",
                  tls->key_path, gnutls_strerror(rc));
  else if (!belong_together(pair, key))
    err = err_set(info, ERR_INVALID, "the key in %s does not belong to the certificate in %s",
                  tls->key_path, tls->cert_path);
  else if (gnutls_privkey_init(&pair->key) < 0
           || gnutls_privkey_import_x509(pair->key, key, GNUTLS_PRIVKEY_IMPORT_COPY) < 0)
    err = err_set(info, ERR_MEMORY, "the key in %s can't be used", tls->key_path);
  gnutls_x509_privkey_deinit(key);
  return err;
}

static enum err
read_pair(const struct tls *tls, struct pair **out, struct err_info *info)
{
  struct buf cert = {0}, key = {0};
  struct pair *pair = calloc(1, sizeof *pair);
  enum err err = pair ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
  if (!err)
    err = file_read_all(tls->cert_path, PEM_MAX, &cert, info);
  if (!err)
    err = file_read_all(tls->key_path, PEM_MAX, &key, info);
  if (!err)
  {
    gnutls_datum_t cert_pem = {(unsigned char *) cert.data, (unsigned int) cert.length};
    gnutls_datum_t key_pem = {(unsigned char *) key.data, (unsigned int) key.length};
    unsigned int length = CHAIN_MOST;
    err = check_days(tls, &cert_pem, info);
    if (!err
        && gnutls_pcert_list_import_x509_raw(pair->chain, &length, &cert_pem, GNUTLS_X509_FMT_PEM,
                                             GNUTLS_X509_CRT_LIST_SORT)
             < 0)
      err = err_set(info, ERR_INVALID,
                    "the certificates in %s are no chain: the server's own first, then those that "
                    "signed it",
                    tls->cert_path);
    else if (!err)
    {
      pair->length = length;
      err = import_key(tls, &key_pem, pair, info);
    }
  }
  if (key.data)
    explicit_bzero(key.data, key.length);
  buf_free(&cert);
  buf_free(&key);
  if (err && pair)
    free_pair(pair);
  else
    *out = pair;
  return err;
}

enum err
tls_reload(struct tls *tls, struct err_info *info)
{
  struct pair *pair = NULL;
  enum err err = read_pair(tls, &pair, info);
  if (err)
    return err;
  pthread_mutex_lock(&tls->mutex);
  pair->older = tls->pair;
  tls->pair = pair;
  pthread_mutex_unlock(&tls->mutex);
  return ERR_OK;
}

enum err
tls_new(const char *cert_path, const char *key_path, struct tls **out, struct err_info *info)
{
  *out = NULL;
  struct tls *tls = calloc(1, sizeof *tls);
  if (!tls)
    return err_set(info, ERR_MEMORY, "out of memory");
  pthread_mutex_init(&tls->mutex, NULL);
  tls->cert_path = strdup(cert_path);
  tls->key_path = strdup(key_path);
  enum err err = ERR_OK;
  if (!tls->cert_path || !tls->key_path)
    err = err_set(info, ERR_MEMORY, "out of memory");
  else
    err = tls_reload(tls, info);
  if (err)
  {
    tls_free(tls);
    return err;
  }
  shown = tls;
  *out = tls;
  return ERR_OK;
}

void
tls_free(struct tls *tls)
{
  if (!tls)
    return;
  if (shown == tls)
    shown = NULL;
  while (tls->pair)
  {
    struct pair *older = tls->pair->older;
    free_pair(tls->pair);
    tls->pair = older;
  }
  pthread_mutex_destroy(&tls->mutex);
  free(tls->cert_path);
  free(tls->key_path);
  free(tls);
}

enum err
tls_check_authorities(const char *path, struct err_info *info)
{
  gnutls_x509_crt_t *certificates = NULL;
  unsigned count = 0;
  struct buf pem = {0};
  enum err err = file_read_all(path, AUTHORITIES_MAX, &pem, info);
  gnutls_datum_t data = {.data = (unsigned char *) pem.data, .size = (unsigned) pem.length};
  if (!err
      && (pem.length == 0
          || gnutls_x509_crt_list_import2(&certificates, &count, &data, GNUTLS_X509_FMT_PEM, 0)
               < 0))
    err = err_set(info, ERR_INVALID, "%s holds no certificates (PEM)", path);
  for (unsigned i = 0; certificates != NULL && i < count; i++)
    gnutls_x509_crt_deinit(certificates[i]);
  gnutls_free(certificates);
  buf_free(&pem);
  return err;
}

int
tls_retrieve(gnutls_session_t session, const gnutls_datum_t *names, int name_count,
             const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
             unsigned int *length, gnutls_privkey_t *key)
{
  (void) session;
  (void) names;
  (void) name_count;
  (void) algorithms;
  (void) algorithm_count;
  struct tls *tls = shown;
  if (!tls)
    return -1;
  pthread_mutex_lock(&tls->mutex);
  struct pair *pair = tls->pair;
  pthread_mutex_unlock(&tls->mutex);
  *chain = pair->chain;
  *length = pair->length;
  *key = pair->key;
  return 0;
}
