/* status.c - the names and sentences of lk_status, from the one map in status.h. */
#include <latchkey/status.h>

#define STATUS_TEXT(name, value, text)                                                             \
    case name:                                                                                     \
        return text;
#define STATUS_NAME(name, value, text)                                                             \
    case name:                                                                                     \
        return #name;

const char *lk_status_text(int status)
{
    switch (status) {
        LK_STATUS_MAP(STATUS_TEXT)
    }
    return "unknown status";
}

const char *lk_status_name(int status)
{
    switch (status) {
        LK_STATUS_MAP(STATUS_NAME)
    }
    return "LK_E_?";
}
