/* The page at `GET /`, in the binary. CMake makes the definitions: server/page/embed.cmake. */
#ifndef SPOT_SERVER_PAGE_PAGE_H
#define SPOT_SERVER_PAGE_PAGE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* UTF-8, one self-contained document. Not terminated. */
extern const unsigned char spot_page_html[];
extern const size_t spot_page_html_size;

/* Its Content-Security-Policy: only the style and the script in it, only requests to its server. */
extern const char spot_page_policy[];

#ifdef __cplusplus
}
#endif
#endif
