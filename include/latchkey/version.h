/* latchkey/version.h - which latchkey this is. */
#ifndef LATCHKEY_VERSION_H
#define LATCHKEY_VERSION_H

#include <latchkey/status.h>

#define LK_VERSION_MAJOR 0
#define LK_VERSION_MINOR 1
#define LK_VERSION_PATCH 0
#define LK_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that runs, as text; LK_VERSION is the one compiled against. */
LK_EXPORT const char *lk_version(void);

#ifdef __cplusplus
}
#endif
#endif
