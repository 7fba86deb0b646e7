"""An owner's endpoint: takes the security event tokens (RFC 8417) that are pushed to it over TLS (RFC 8935), and verifies
each with PyJWT by what their issuer publishes. It knows the issuer, its own name, and the event that it waits for.
"""

import http.server
import json
import ssl
import threading

import jwt

EVENT = "https://github.com/countersign/countersign/events/request-submitted"
MEDIA_TYPE = "application/secevent+jwt"
ALGORITHMS = ["ES256", "RS256", "EdDSA"]
LARGEST = 65536


class Refused(Exception):
    """What is wrong, as a code of RFC 8935 §2.4."""

    def __init__(self, err, description):
        super().__init__(description)
        self.answer = {"err": err, "description": description}


class Receiver:
    """Runs in a thread of its own. `fetch` gets a public document by its URL."""

    def __init__(self, issuer, audience, fetch, certificate, key, port):
        self.issuer, self.audience, self.fetch = issuer, audience, fetch
        self.came = []  # status and jti of each push, in order
        self.told = {}  # the event of each jti
        self.unknown = set()  # kids whose keys it does not know, whatever is published
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), LARGEST))
                status, answer = receiver.push(self.headers.get("Content-Type"), body.decode(errors="replace"))
                self.send_response(status)
                if answer is not None:
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Language", "en")
                octets = b"" if answer is None else json.dumps(answer).encode()
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def push(self, media_type, token):
        """Status and document of the answer: 202 without one, or 400 with what is wrong."""
        try:
            if media_type != MEDIA_TYPE:
                raise Refused("invalid_request", "not a security event token by its media type")
            claims = self.verify(token)
        except Refused as refused:
            self.came.append((400, self.jti(token)))
            return 400, refused.answer
        # One that came before is taken again, and nothing more happens.
        self.told.setdefault(claims["jti"], claims["events"][EVENT])
        self.came.append((202, claims["jti"]))
        return 202, None

    def verify(self, token):
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ", "").lower() not in ("secevent+jwt", MEDIA_TYPE):
                raise Refused("invalid_request", "a token of another type")
            claims = jwt.decode(token, self.key(header.get("kid")), algorithms=ALGORITHMS, audience=self.audience,
                                issuer=self.issuer, options={"require": ["iss", "aud", "iat", "jti", "events"]})
        except jwt.InvalidSignatureError:
            raise Refused("invalid_key", "the signature is another key's") from None
        except jwt.InvalidIssuerError:
            raise Refused("invalid_issuer", "another issuer") from None
        except jwt.InvalidAudienceError:
            raise Refused("invalid_audience", "for somebody else") from None
        except jwt.ImmatureSignatureError:
            raise Refused("access_denied", "one of the clocks is wrong") from None
        except jwt.PyJWTError as error:
            raise Refused("invalid_request", str(error)) from None
        if list(claims["events"]) != [EVENT]:
            raise Refused("invalid_request", "another event")
        return claims

    def key(self, kid):
        """The issuer's key of this name: from its key set, found by its metadata."""
        metadata = self.fetch(f"{self.issuer}/.well-known/uma2-configuration")
        if metadata["issuer"] != self.issuer:
            raise Refused("invalid_issuer", "another issuer's metadata")
        for key in self.fetch(metadata["jwks_uri"])["keys"]:
            if key["kid"] == kid and kid not in self.unknown:
                return jwt.PyJWK(key)
        raise Refused("invalid_key", "no key of this name is published")

    @staticmethod
    def jti(token):
        """Whatever it calls itself."""
        try:
            return jwt.decode(token, options={"verify_signature": False}).get("jti")
        except jwt.PyJWTError:
            return None
