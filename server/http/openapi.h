/* The description of the HTTP API, generated from server/http/openapi.json. */
#ifndef SPOT_SERVER_HTTP_OPENAPI_H
#define SPOT_SERVER_HTTP_OPENAPI_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

extern const unsigned char spot_openapi_json[];
extern const size_t spot_openapi_json_size;

#ifdef __cplusplus
}
#endif
#endif
