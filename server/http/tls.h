/*
 * TLS: the certificate and key that the server shows, and writing to a connection beside
 * libmicrohttpd. By GnuTLS, which libmicrohttpd uses too.
 */
#ifndef SPOT_SERVER_HTTP_TLS_H
#define SPOT_SERVER_HTTP_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What clients are offered: TLS 1.2 and 1.3. */
#define SPOT_TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct spot_tls;

/*
 * Reads a chain of certificates, the server's own first, and its key, both PEM. SPOT_IO: a file
 * cannot be read; SPOT_INVALID: it holds no such thing, or the key is not the certificate's.
 */
enum spot_status spot_tls_load(const char *certificate, const char *key, struct spot_tls **tls,
                               struct spot_error *error);

/*
 * From now on handshakes show this certificate, which is taken. Those that it replaces are kept
 * until spot_tls_end, because a handshake under way may still use them. One server in a process:
 * libmicrohttpd's callback has no argument of its own. Main thread.
 */
void spot_tls_show(struct spot_tls *tls);

/* Frees everything; the server has stopped. */
void spot_tls_end(void);

void spot_tls_free(struct spot_tls **tls);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK: a gnutls_certificate_retrieve_function2. */
int spot_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities,
                      int n_authorities, const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
                      gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key);

#ifdef __cplusplus
}
#endif
#endif
