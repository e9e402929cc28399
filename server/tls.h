/* The certificate attuned shows: read, checked, exchanged while it serves.
 *
 * Owns every certificate it has read until tls_free, as a handshake may still need the one before. One per
 * process: libmicrohttpd's callback is given no context. Any thread.
 */
#ifndef ATTUNE_SERVER_TLS_H
#define ATTUNE_SERVER_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "base/err.h"

/* TLS 1.2 and 1.3, forward secrecy, authenticated ciphers. */
#define TLS_PRIORITIES                                                                             \
  "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:"   \
  "+AES-128-GCM:%SERVER_PRECEDENCE"

struct tls;

/* Reads a certificate chain and its key (PEM). ERR_INVALID when one can't be parsed, they don't belong together,
 * or the certificate is not valid today; ERR_IO or ERR_NOT_FOUND when a file can't be read. Warns of an end
 * within two weeks. */
enum err tls_new(const char *cert_path, const char *key_path, struct tls **tls,
                 struct err_info *info);
/* Reads the files again; when that fails, what there was stays. */
enum err tls_reload(struct tls *tls, struct err_info *info);
void tls_free(struct tls *tls); /* NULL is fine */

/* Whether a file holds certificates (PEM), such as those of authorities. ERR_INVALID when it does not; ERR_IO or
 * ERR_NOT_FOUND when it can't be read. */
enum err tls_check_authorities(const char *path, struct err_info *info);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK. */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *names, int name_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                 gnutls_pcert_st **chain, unsigned int *length, gnutls_privkey_t *key);

#endif
