/* latchkey/config.h - a libconfig file with what a program would else repeat at every client. See
 * docs/latchkey.conf.
 *
 * Only there when latchkey was built with libconfig (lk_config_read() else answers LK_E_CONFIG and
 * says so). */
#ifndef LATCHKEY_CONFIG_H
#define LATCHKEY_CONFIG_H

#include <latchkey/client.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_config lk_config;

#define LK_CONFIG_ERROR_SIZE 512

/* Reads and checks `file`, and the file of the credential that it names (a relative name counts
 * from the folder of `file`). Unknown keys, wrong types and values out of range are LK_E_CONFIG,
 * LK_E_NOT_FOUND: there is no such file; `error`, which may be NULL, then holds one line
 * "FILE:LINE: what". lk_config_free() frees. */
LK_API int lk_config_read(lk_config **out, const char *file, char error[LK_CONFIG_ERROR_SIZE]);
LK_EXPORT lk_config *lk_config_free(lk_config *config);

/* Sets what the file names in `options` and leaves the rest. The strings belong to `config`. */
LK_EXPORT void lk_config_client(const lk_config *config, lk_client_options *options);

/* How long to wait for the first connection: the file's connect_timeout, else `fallback_ms`. */
LK_EXPORT int64_t lk_config_connect_timeout_ms(const lk_config *config, int64_t fallback_ms);

/* Defaults for primitives: the value of "group.key" if the file has it, else `fallback`. Durations
 * are seconds in the file and milliseconds here.
 *   text    lock.label, lock.on_lost, elect.id
 *   number  lock.wait, lock.grace, coupon.shards, coupon.per_user, coupon.freeze_ttl */
LK_EXPORT const char *lk_config_text(const lk_config *config, const char *key,
                                     const char *fallback);
LK_EXPORT int64_t lk_config_number(const lk_config *config, const char *key, int64_t fallback);

#ifdef __cplusplus
}
#endif
#endif
