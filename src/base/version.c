/* version.c - the version of the library that runs. */
#include <latchkey/version.h>

const char *lk_version(void)
{
    return LK_VERSION;
}
