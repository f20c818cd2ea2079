/* gate_record.h - a gate as its znode keeps it: docs/format.md. */
#ifndef GATE_RECORD_H
#define GATE_RECORD_H

#include <latchkey/gate.h>

#include "base/record.h"

#define GATE_FORMAT 1

int gate_record_write(struct record_out *out, const lk_gate *gate);
/* LK_E_FOREIGN, LK_E_KIND, LK_E_NEWER_FORMAT, LK_E_CORRUPT, as record_open(). */
int gate_record_read(lk_gate *out, const void *data, size_t size);

#endif
