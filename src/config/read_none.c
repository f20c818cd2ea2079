/* read_none.c - stands in for read.c where latchkey was built without libconfig: a file that was
 * asked for and can't be read must be an answer, never silence. */
#include <stdio.h>

#include "config/values.h"

int lk_config_read(lk_config **out, const char *file, char error[LK_CONFIG_ERROR_SIZE])
{
    (void)out;
    if (!file)
        return LK_E_INVALID;
    if (error)
        snprintf(error, LK_CONFIG_ERROR_SIZE,
                 "%.300s: not read: this latchkey was built without libconfig; use options and "
                 "environment",
                 file);
    return LK_E_CONFIG;
}
