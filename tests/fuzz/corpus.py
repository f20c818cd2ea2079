#!/usr/bin/env python3
"""corpus.py - writes the beginnings of the corpus anew: the golden records, and texts of every kind.

Each record is there as it is, and with a program that does something with it; the layout is told in fuzz.h. Run it
when a golden file comes. Files that were added for something that fuzzing found are left as they are.
"""
import pathlib

here = pathlib.Path(__file__).parent
golden = here.parent / "golden"


def record(name):
    lines = (golden / name).read_text().splitlines()
    return bytes.fromhex("".join(line.split("#")[0] for line in lines))


def write(target, name, content):
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def write_record(target, path, program=b""):
    whole = len(program).to_bytes(2, "big") + program + record(path.name)
    write(target, path.stem, b"\1" + whole)
    write(target, path.stem + "-as-it-is", b"\0" + whole)


def operation(verb, which, detail, pause=1, ttl=b""):
    """Fuzz_account.c's: one that knows its coupon by its place."""
    return bytes([pause, verb, which, detail, 1, which]) + ttl


account_world = bytes([0, 1, 0, 0, 200, 200])
account_life = account_world + b"".join([
    operation(1, 4, 3), operation(2, 8, 0), operation(4, 8, 0), operation(5, 8, 5), operation(6, 8, 5),
    operation(2, 16, 2, 5, bytes([0, 0, 0, 0, 0, 9])), operation(0, 0, 0, 0xff), operation(3, 16, 1), operation(1, 0, 64),
])

for path in sorted(golden.glob("ledger-account*.hex")):
    write_record("account", path, account_life)
for path in sorted(golden.glob("ledger-campaign*.hex")):
    write_record("campaign", path, bytes(
        [0, 9, 1, 4, 0, 1] + [0] * 8 + [5, 0, 2, 3, 6, 0, 2] + [6] * 8 + [9, 0, 2, 2, 8, 0, 2] + [7] * 8))
# All known; stock for another, 64 taken here; home is number 1: it gets some, and gives 5 out.
pool = bytes([1, 1, 1, 1, 1, 2 + 4 * (2 + 4 * 2), 3, 232, 4 * 63, 3 + 4, 1 + 4 * 40, 4 * 5, 1 + 4 * 63, 3 + 4 * 2, 1 + 4 * 9])
for path in sorted(golden.glob("ledger-shard*.hex")):
    write_record("shard", path, pool)
for path in sorted(golden.glob("gate*.hex")):
    write_record("gate", path, bytes([1, 1, 3, 3, 0, 0, 2, 3, 1, 0, 0, 0]))
for path in sorted(golden.glob("line*.hex")):
    write_record("line", path)
for path in sorted(golden.glob("place*.hex")):
    write_record("place", path)

# A shard that says it is number 3, as fuzz_shard.c wants it, with nothing left, and with much.
shard = record("ledger-shard.hex")[:8] + bytes([0, 3])
write("shard", "empty", b"\1" + len(pool).to_bytes(2, "big") + pool + shard + bytes(10))
many = b"".join(b"\0\5" + i.to_bytes(8, "big") + (1).to_bytes(8, "big") for i in range(1, 256))
write("shard", "many", b"\1" + len(pool).to_bytes(2, "big") + pool + shard + (255).to_bytes(8, "big") + b"\0\xff" + many)
# A new user's account, of both versions, and one with nothing but the header.
write("account", "new", b"\1" + len(account_life).to_bytes(2, "big") + account_life
      + record("ledger-account.hex")[:8] + b"\0\3ann" + bytes(28))
write("account", "new-2", b"\1" + len(account_life).to_bytes(2, "big") + account_life
      + record("ledger-account-2.hex")[:8] + b"\3ann\0\0\0")
write("account", "no-body", b"\1\0\0" + record("ledger-account.hex")[:8])

for i, text in enumerate([
        "ann", "%2Eann", "%2E%2E", "a.b-c_d@e+f", "M%C3%BCller", "Ünï.cødé / 名前 %", "0-1", "65535-18446744073709551615",
        "007-1", "0123456789abcdef0123456789abcdef", "8000000000000000000000000000000f", "0" * 32,
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "x" * 128, "%FF" * 128, "/%2F%00"]):
    write("names", f"text-{i:02}", text.encode())

head = bytes([0, 0, 0, 0, 0, 9])
own = bytes([0, 0, 0, 0, 41, 3, 0, 0, 0, 2])
write("numbers", "locks", head + own + b"lk-lock-0000000009\nlk-lock-0000000002\nlk-lock-0000000007")
write("numbers", "strangers", head + own + b"_c_6bc1-lock-0000000005\n5f3a__lock__0000000003\nread-0000000001\nx")
write("numbers", "readers", b"\1" + head[1:] + own
      + b"lk-read-lock-0000000001\nlk-__READ__0000000002\n5f3a__rlock__0000000003\nlk-__WRIT__0000000004")
write("numbers", "permits", head + own + b"lk-sem3-lock-0000000001\nlk-sem30t-lock-0000000002\nlk-sem0-lock-0000000003")
write("numbers", "edges", b"\0\1\x7f\xff\xff\xff" + own + b"lk-lock-2147483647\nlk-lock-2147483648\nlk-lock--000000001")
write("numbers", "path", head + own + b"/shop/sale/accounts")
write("numbers", "bad-path", head + own + "/a//b/../\u00e9\ufff0/.".encode())

bounds = bytes([5, 0, 0, 0, 0, 0, 0, 0, 10])
for i, text in enumerate([
        "7", "18446744073709551615", "18446744073709551616", "0007", "1.5", ".25", "3.", "0.0000000019", "1e3",
        "99999999999999999999999", "2000-02-29T12:34:56.789Z", "1969-12-31 23:59:59-00:30", "0000-01-01T00:00:00Z",
        "9999-12-31t23:59:60.9999z", "2000-02-29T12:34:56+23:59", "+90", "+0.5", "+"]):
    write("values", f"text-{i:02}", bounds + text.encode())

write("lines", "users", bytes([3, 1, 2, 200]) + b"ann\nbob\r\n\nUser Three\n\r\nlast")
write("lines", "no-end", bytes([0]) + b"ann\r")
write("lines", "ends", bytes([2, 0, 1]) + b"\n\n\0\n\r")

docs = here.parent.parent / "docs" / "latchkey.conf"
write("config", "example", docs.read_bytes())
write("config", "all", b'servers = "a:1,b:2"; root = "/app"; session_timeout = 30; connect_timeout = 2.5;\n'
      b'access = "creator"; label = "me"; log_level = "info";\n'
      b'lock { label = "x"; wait = 10L; grace = 0x5; on_lost = "kill"; };\nelect : { id = "7" }\n'
      b'coupon { shards = 8; per_user = 0; freeze_ttl = 900.5; };\n')
write("config", "secret", b'auth { scheme = "digest"; file = "3"; };')
write("config", "wrong", b'servers = "a" "b"; lock = [ 1, 2 ]; x = ( { y = true; }, 1e400 ); # \xff\n@include "no"\n')
