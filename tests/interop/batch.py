"""Tokens that joserfc makes, over all algorithms, through the batches of the command line, and back.

    batch.py PROGRAM
"""

import base64
import itertools
import json
import subprocess
import sys
import tempfile
import warnings

from joserfc import jwe, jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

warnings.filterwarnings("ignore", message=".*EdDSA is deprecated.*")
PROGRAM = sys.argv[1]
RSA = RSAKey.generate_key(2048, auto_kid=False)
PAYLOADS = [b'{"sub":"alice"}', b"no claims", bytes(range(256))]

SIGNATURES = {
    "ES256": ECKey.generate_key("P-256", auto_kid=False),
    "ES384": ECKey.generate_key("P-384", auto_kid=False),
    "ES512": ECKey.generate_key("P-521", auto_kid=False),
    "EdDSA": OKPKey.generate_key("Ed25519", auto_kid=False),
    "Ed25519": OKPKey.generate_key("Ed25519", auto_kid=False),
    **dict.fromkeys(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], RSA),
}
MACS = {name: OctKey.generate_key(bits, auto_kid=False)
        for name, bits in [("HS256", 256), ("HS384", 384), ("HS512", 512)]}
CONTENTS = {"A128GCM": 128, "A256GCM": 256, "A128CBC-HS256": 256, "A256CBC-HS512": 512}
AGREED = [ECKey.generate_key("P-256", auto_kid=False), OKPKey.generate_key("X25519", auto_kid=False)]


def batch(command, questions):
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run([PROGRAM, *command, "--batch"], input=lines, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == [question["id"] for question in questions]
    return answers


def public(key):
    return key.as_dict(private=False) if not isinstance(key, OctKey) else key.as_dict()


def flipped(token):
    """The token with a bit of its last part changed."""
    head, _, last = token.rpartition(".")
    octets = bytearray(base64.urlsafe_b64decode(last + "=" * (-len(last) % 4)))
    octets[0] ^= 1
    return head + "." + base64.urlsafe_b64encode(octets).decode().rstrip("=")


def check(command, cases):
    """Each case is a key, a token, and the payload; each token is asked for once as it is and once broken."""
    questions, expected = [], []
    for number, (key, token, payload) in enumerate(cases):
        for broken in [False, True]:
            questions.append({"id": [number, broken], "jwk": key, "token": flipped(token) if broken else token})
            expected.append(None if broken else payload)
    for answer, payload in zip(batch(command, questions), expected, strict=True):
        assert answer["ok"] == (payload is not None), answer
        if payload is not None:
            octets = base64.urlsafe_b64decode(answer["payload"] + "=" * (-len(answer["payload"]) % 4))
            assert octets == payload, answer
    return len(questions)


def signatures():
    algorithms = [*SIGNATURES, *MACS]
    for (name, key), payload in itertools.product([*SIGNATURES.items(), *MACS.items()], PAYLOADS):
        token = jws.serialize_compact({"alg": name}, payload, key, algorithms=algorithms)
        for alg in [{}, {"alg": name}]:
            yield {**public(key), **alg}, token, payload


def encrypted():
    registry = jwe.JWERegistry(
        algorithms=["dir", "A256KW", "ECDH-ES", "ECDH-ES+A256KW", "RSA-OAEP-256", *CONTENTS])
    keys = [("A256KW", OctKey.generate_key(256, auto_kid=False)), ("RSA-OAEP-256", RSA)]
    keys += [(name, key) for name in ["ECDH-ES", "ECDH-ES+A256KW"] for key in AGREED]
    for (enc, bits), payload in itertools.product(CONTENTS.items(), PAYLOADS):
        for alg, key in [*keys, ("dir", OctKey.generate_key(bits, auto_kid=False))]:
            token = jwe.encrypt_compact({"alg": alg, "enc": enc}, payload, key, registry=registry)
            for named in [{}, {"alg": alg}]:
                yield {**key.as_dict(private=True), **named}, token, payload


def back():
    """What the program encrypts, joserfc decrypts."""
    registry = jwe.JWERegistry(algorithms=["ECDH-ES", "RSA-OAEP-256", *CONTENTS])
    for key, enc in itertools.product([*AGREED, RSA], CONTENTS):
        with tempfile.NamedTemporaryFile("w", suffix=".jwk") as file:
            json.dump(public(key), file)
            file.flush()
            command = [PROGRAM, "jwe", "encrypt", "--key", file.name, "--enc", enc]
            done = subprocess.run(command, input=PAYLOADS[2], capture_output=True, check=True)
        token = done.stdout.decode().strip()
        assert jwe.decrypt_compact(token, key, registry=registry).plaintext == PAYLOADS[2]
        yield token


def keys():
    for key in [*SIGNATURES.values(), *MACS.values(), *AGREED]:
        yield public(key)
        yield key.as_dict(private=True) if not isinstance(key, OctKey) else key.as_dict()


signed = check(["jwt", "verify"], signatures())
opened = check(["jwe", "decrypt"], encrypted())
answers = batch(["jwk", "check"], [{"id": number, "jwk": key} for number, key in enumerate(keys())])
assert all(answer["ok"] for answer in answers), answers
print(f"joserfc: {signed} signed and {opened} encrypted tokens judged, "
      f"{len(list(back()))} decrypted there, {len(answers)} keys in order")
