/* The page for people at `GET /`; its sources are in server/page. */
#include <stdlib.h>
#include <string.h>

#include "server/http/pages.h"
#include "server/page/page.h"

/* A new version of the server may speak in another way: the page is asked for each time. */
static const struct spot_header headers[] = {
    {"Content-Security-Policy", spot_page_policy},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cache-Control", "no-cache"},
    {NULL, NULL},
};

void spot_page_home(struct spot_exchange *exchange) {
    char *copy = malloc(spot_page_html_size);
    if (copy != NULL)
        memcpy(copy, spot_page_html, spot_page_html_size);
    exchange->reply.headers = headers;
    spot_reply_bytes(exchange, 200, "text/html; charset=utf-8", copy, spot_page_html_size);
}
