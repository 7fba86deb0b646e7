"""An application and an API with Authlib, and what joserfc makes of the provider's tokens.

The application signs a person in, refreshes and revokes; ID tokens are judged by Authlib's rules of
OpenID Connect, access tokens by its rules of RFC 9068. Then it tries what has to be refused.

    authlib_client.py WORLD      the file in which countersign-interop-tests says where everybody is
"""

import base64
import html.parser
import json
import pathlib
import secrets
import socket
import ssl
import sys
import time
import urllib.parse

import httpx2 as httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc6750.errors import InsufficientScopeError, InvalidTokenError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OctKey

CALLBACK = "https://app.alice.example/python"
LETTERS = "https://letters.alice.example"
SCOPE = "openid profile email offline_access letters.read"

world = json.loads(pathlib.Path(sys.argv[1]).read_text())
places = dict(entry.split("=") for entry in world["connect_to"])
tls = ssl.create_default_context(cafile=world["roots"])
look_up = socket.getaddrinfo


def at_its_place(host, port, *arguments, **options):
    """Goes where the test bed's map says; TLS still checks the name."""
    name = host.decode() if isinstance(host, bytes) else host
    host, port = places[f"{name}:{port}"].split(":")
    return look_up(host, int(port), *arguments, **options)


socket.getaddrinfo = at_its_place


def check(what, holds, found):
    print(("ok  " if holds else "NO  ") + what)
    if not holds:
        sys.exit(f"found {found!r}")


def refused(what, expected, attempt, *arguments, **options):
    """Says that something is refused: by this code of OAuth, or by this error of the library."""
    try:
        answer = attempt(*arguments, **options)
    except (AuthlibBaseError, JoseError) as error:
        is_expected = error.error == expected if isinstance(expected, str) else isinstance(error, expected)
        return check(f"refused: {what}", is_expected, error)
    return check(f"refused: {what}", False, answer)


class Forms(html.parser.HTMLParser):
    """Where each form of a page is sent, and its fields."""

    def __init__(self, page):
        super().__init__()
        self.forms, self.button = [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append((attributes.get("action", ""), {}))
            self.button = False
        first_button = tag == "button" and not self.button
        self.button |= tag == "button"
        if self.forms and attributes.get("name") and (tag == "input" or first_button):
            self.forms[-1][1][attributes["name"]] = attributes.get("value", "")

    def of(self, field):
        return next(form for form in self.forms if field in form[1])


def sign_in(**wishes):
    """A person signs in and is sent back: where to, and what the application keeps meanwhile."""
    kept = {"code_verifier": secrets.token_urlsafe(48), "nonce": secrets.token_urlsafe(16)}
    url, state = app.create_authorization_url(
        provider["authorization_endpoint"], nonce=kept["nonce"],
        code_verifier=kept["code_verifier"], **wishes)
    with httpx.Client(verify=tls) as browser:
        action, fields = Forms(browser.get(url).text).of("password")
        fields = fields | {"username": world["username"], "password": world["password"]}
        answer = browser.post(urllib.parse.urljoin(url, action), data=fields,
                              headers={"Origin": world["sts"]})
    location = answer.headers.get("Location", "")
    check("a person signs in", location.startswith(CALLBACK + "?"), (answer.status_code, answer.text))
    return location, {"state": state} | kept


def redeem(location, kept, **changed):
    kept = kept | changed
    return app.fetch_token(authorization_response=location, state=kept["state"],
                           code_verifier=kept["code_verifier"])


def id_token(token, kept, client=None, **changed):
    """What Authlib believes of an ID token."""
    client = client or app.client_id
    decoded = jwt.decode(token["id_token"], keys, algorithms=["RS256"])
    options = {"iss": {"essential": True, "value": provider["issuer"]},
               "aud": {"essential": True, "value": client}}
    params = {"client_id": client, "max_age": 300, "nonce": kept["nonce"],
              "access_token": token["access_token"]} | changed
    claims = CodeIDToken(decoded.claims, decoded.header, options, params)
    claims.validate()
    return claims


class Letters(JWTBearerTokenValidator):
    """An API behind Authlib."""

    def get_jwks(self):
        return keys

    def judge(self, token, scope="letters.read"):
        claims = self.authenticate_token(token)
        self.validate_token(claims, [scope], None)
        return claims


def forged(token, header, key):
    """The same claims, signed with something else."""
    return jwt.encode(header, jwt.decode(token, keys, algorithms=["ES256"]).claims, key,
                      algorithms=[header["alg"]])


with httpx.Client(verify=tls) as http:
    provider = http.get(f"{world['sts']}/.well-known/openid-configuration").json()
    published = http.get(provider["jwks_uri"]).json()
keys = KeySet.import_key_set(published)
check("joserfc reads the provider's keys: public ones, for signatures, each with a name of its own",
      len({key.kid for key in keys.keys}) == len(keys.keys) >= 2
      and not any(key.is_private for key in keys.keys)
      and all(key.get("use") == "sig" for key in published["keys"])
      and {"ES256", "RS256"} <= {key["alg"] for key in published["keys"]}, published)


def application(client_id, secret, **options):
    return OAuth2Client(client_id, secret, token_endpoint=provider["token_endpoint"], verify=tls, **options)


app = application("python-app", world["secrets"]["python-app"], scope=SCOPE,
                  redirect_uri=CALLBACK, code_challenge_method="S256")
letters_client = application("letters-api", world["secrets"]["letters-api"])

location, kept = sign_in()
token = dict(redeem(location, kept))
claims = id_token(token, kept)
check("Authlib believes the ID token, with nonce, auth_time and at_hash",
      claims["sub"] == world["subject"] and claims["at_hash"] and claims["auth_time"], claims)
user_info = app.get(provider["userinfo_endpoint"]).json()
check("UserInfo is about the same person",
      user_info["sub"] == world["subject"] and user_info["email"] == world["person"], user_info)

refused("an ID token with another nonce", JoseError, id_token, token, kept, nonce="other")
refused("an ID token for another client", JoseError, id_token, token, kept, client="web-app")
refused("an ID token beside another access token", JoseError, id_token, token, kept,
        access_token=token["access_token"] + "x")
refused("an ID token that was changed", JoseError, id_token,
        token | {"id_token": token["id_token"][:-4] + "AAAA"}, kept)
refused("an access token for an ID token", JoseError, id_token,
        token | {"id_token": token["access_token"]}, kept)

refreshed = dict(app.refresh_token())
later = jwt.decode(refreshed["id_token"], keys, algorithms=["RS256"]).claims
check("a refresh gives a new ID token of the same sign-in, without a nonce",
      later["auth_time"] == claims["auth_time"] and later["sub"] == claims["sub"]
      and "nonce" not in later, later)
refused("a wider scope", "invalid_scope", app.refresh_token, scope=SCOPE + " claims-provider")

itself = app.fetch_token(grant_type="client_credentials", scope="letters.read", resource=LETTERS)
api = Letters(provider["issuer"], LETTERS)
judged = api.judge(itself["access_token"])
check("Authlib takes an access token by RFC 9068",
      judged["client_id"] == judged["sub"] == "python-app" and judged["scope"] == "letters.read"
      and judged.header["typ"] == "at+jwt", judged)
told = letters_client.introspect_token(provider["introspection_endpoint"], itself["access_token"]).json()
check("and is told the same by introspection",
      told["active"] and all(told[name] == judged[name] for name in ("iss", "sub", "aud", "exp", "jti")), told)
refused("it at another API", InvalidTokenError, Letters(provider["issuer"], LETTERS + "/other").judge,
        itself["access_token"])
refused("it where another issuer is believed", InvalidTokenError,
        Letters(world["party"], LETTERS).judge, itself["access_token"])
refused("it without the scope", InsufficientScopeError, api.judge, itself["access_token"], "letters.write")
persons = api.judge(token["access_token"])
check("a person's token is for the application's own API, too",
      persons["sub"] == world["subject"] and persons["client_id"] == "python-app"
      and set(persons["aud"]) == {provider["issuer"], LETTERS}, persons)
refused("an ID token for an access token", InvalidTokenError,
        Letters(provider["issuer"], "python-app").judge, token["id_token"])
stranger = ECKey.generate_key("P-256", {"kid": keys.keys[0].kid})
es256 = next(key for key in keys.keys if key.key_type == "EC")
for name, header, key in [
    ("signed by another key", {"alg": "ES256"}, stranger),
    ("signed with what is public for a secret", {"alg": "HS256"}, OctKey.import_key(es256["x"])),
]:
    header = header | {"typ": "at+jwt", "kid": es256.kid}
    refused(f"a token {name}", InvalidTokenError, api.judge, forged(itself["access_token"], header, key))

unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
_, payload, _ = itself["access_token"].split(".")
refused("a token not signed", InvalidTokenError, api.judge, f"{unsigned}.{payload}.")

answer = app.revoke_token(provider["revocation_endpoint"], token["refresh_token"])
check("the provider revokes the grant", answer.status_code == 200, answer.text)
refused("the refresh token from then on", "invalid_grant", app.refresh_token,
        refresh_token=token["refresh_token"])
answer = httpx.get(provider["userinfo_endpoint"], verify=tls,
                   headers={"Authorization": f"Bearer {refreshed['access_token']}"})
check("and the access token", answer.status_code == 401, answer.text)
answer = app.revoke_token(provider["revocation_endpoint"], "no token at all")
check("an unknown token is as good as revoked", answer.status_code == 200, answer.text)

refused("an answer with another state", "mismatching_state", redeem, *sign_in(), state="other")
refused("a verifier that is not the challenge's", "invalid_grant", redeem, *sign_in(),
        code_verifier=secrets.token_urlsafe(48))
location, kept = sign_in()
first = redeem(location, kept)
refused("a code that is shown again", "invalid_grant", redeem, location, kept)
refused("a wrong secret", "invalid_client",
        application("python-app", "not its secret").fetch_token, grant_type="client_credentials")

# private_key_jwt in Authlib's words. By itself it addresses an assertion to the endpoint, for an hour, and
# calls it a JWT like any other; each of the three is refused.

key = ECKey.import_key(world["client_key"])
TYP = {"typ": "client-authentication+jwt"}


def by_assertion(audience=provider["issuer"], typ=TYP, lifetime=60):
    web = application("web-app", key, token_endpoint_auth_method="private_key_jwt")
    claims = {"exp": int(time.time()) + lifetime}
    web.register_client_auth_method(
        PrivateKeyJWT(audience, claims=claims, headers={"kid": key.kid} | typ, alg="ES256"))
    return web.fetch_token(grant_type="client_credentials", scope="letters.read", resource=LETTERS)


check("a client proves itself by Authlib's assertion",
      api.judge(by_assertion()["access_token"])["sub"] == "web-app", "")
refused("an assertion for the token endpoint", "invalid_client", by_assertion, None)
refused("one that is good for an hour", "invalid_client", by_assertion, lifetime=3600)
refused("one that is over", "invalid_client", by_assertion, lifetime=-3600)
refused("one that says that it is some JWT", "invalid_client", by_assertion, typ={"typ": "JWT"})
