/* Certificates; see tls.h. */
#include "server/http/tls.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN_MAX = 8, KEY_ID_MAX = 64 };

struct spot_tls {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned length;
    gnutls_privkey_t key;
    struct spot_tls *replaced; /* the one that was shown before */
};

static _Atomic(struct spot_tls *) shown;

static enum spot_status load_file(const char *path, gnutls_datum_t *text,
                                  struct spot_error *error) {
    errno = 0;
    if (gnutls_load_file(path, text) >= 0)
        return SPOT_OK;
    return spot_fail(error, SPOT_IO, "%s: %s", path,
                     errno != 0 ? strerror(errno) : "cannot be read");
}

static enum spot_status read_chain(struct spot_tls *tls, const char *path,
                                   struct spot_error *error) {
    gnutls_datum_t text = {NULL, 0};
    enum spot_status status = load_file(path, &text, error);
    if (status != SPOT_OK)
        return status;
    unsigned length = CHAIN_MAX;
    int failure =
        gnutls_pcert_list_import_x509_raw(tls->chain, &length, &text, GNUTLS_X509_FMT_PEM, 0);
    gnutls_free(text.data);
    if (failure < 0 || length == 0)
        return spot_fail(error, SPOT_INVALID, "%s: is no PEM file of 1 to %d certificates", path,
                         CHAIN_MAX);
    tls->length = length;
    return SPOT_OK;
}

static enum spot_status read_key(struct spot_tls *tls, const char *path, struct spot_error *error) {
    gnutls_datum_t text = {NULL, 0};
    enum spot_status status = load_file(path, &text, error);
    if (status != SPOT_OK)
        return status;
    int failure = gnutls_privkey_init(&tls->key);
    if (failure >= 0)
        failure = gnutls_privkey_import_x509_raw(tls->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_memset(text.data, 0, text.size);
    gnutls_free(text.data);
    return failure >= 0 ? SPOT_OK
                        : spot_fail(error, SPOT_INVALID,
                                    "%s: is no PEM file of a private key without password", path);
}

/* Does the key belong to the first certificate? */
static bool is_pair(const struct spot_tls *tls) {
    unsigned char ids[2][KEY_ID_MAX];
    size_t sizes[2] = {KEY_ID_MAX, KEY_ID_MAX};
    gnutls_pubkey_t public_key;
    if (gnutls_pubkey_init(&public_key) < 0)
        return false;
    bool good = gnutls_pubkey_import_privkey(public_key, tls->key, 0, 0) >= 0 &&
                gnutls_pubkey_get_key_id(public_key, 0, ids[0], &sizes[0]) >= 0 &&
                gnutls_pubkey_get_key_id(tls->chain[0].pubkey, 0, ids[1], &sizes[1]) >= 0 &&
                sizes[0] == sizes[1] && memcmp(ids[0], ids[1], sizes[0]) == 0;
    gnutls_pubkey_deinit(public_key);
    return good;
}

enum spot_status spot_tls_load(const char *certificate, const char *key, struct spot_tls **tls,
                               struct spot_error *error) {
    struct spot_tls *self = calloc(1, sizeof *self);
    *tls = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "tls: out of memory");
    enum spot_status status = read_chain(self, certificate, error);
    if (status != SPOT_OK)
        spot_error_prefix(error, "tls.certificate");
    if (status == SPOT_OK) {
        status = read_key(self, key, error);
        if (status != SPOT_OK)
            spot_error_prefix(error, "tls.key");
    }
    if (status == SPOT_OK && !is_pair(self))
        status = spot_fail(error, SPOT_INVALID,
                           "tls.key: %s is not the key of the certificate in %s", key, certificate);
    if (status != SPOT_OK)
        spot_tls_free(&self);
    *tls = self;
    return status;
}

void spot_tls_free(struct spot_tls **tls) {
    struct spot_tls *self = *tls;
    *tls = NULL;
    if (self == NULL)
        return;
    for (unsigned i = 0; i < self->length; i++)
        gnutls_pcert_deinit(&self->chain[i]);
    if (self->key != NULL)
        gnutls_privkey_deinit(self->key);
    free(self);
}

void spot_tls_show(struct spot_tls *tls) {
    if (tls == NULL)
        return;
    tls->replaced = atomic_load(&shown);
    atomic_store(&shown, tls);
}

void spot_tls_end(void) {
    struct spot_tls *tls = atomic_exchange(&shown, NULL);
    while (tls != NULL) {
        struct spot_tls *replaced = tls->replaced;
        spot_tls_free(&tls);
        tls = replaced;
    }
}

int spot_tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities,
                      int n_authorities, const gnutls_pk_algorithm_t *algorithms, int n_algorithms,
                      gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key) {
    struct spot_tls *tls = atomic_load(&shown);
    (void)session, (void)authorities, (void)n_authorities, (void)algorithms, (void)n_algorithms;
    if (tls == NULL)
        return -1;
    *chain = tls->chain;
    *length = tls->length;
    *key = tls->key;
    return 0;
}
