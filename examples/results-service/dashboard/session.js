// Who is signed in, and what they are let in with. Tokens are in the memory of this page and nowhere
// else: a reload forgets them, and a session that the API keeps gives another.

import * as oauth from "./oauth4webapi.js";

/** What has to outlive the way to the provider and back: no token, and good for one answer. */
const PENDING = "pending";

const CALLBACK = new URL("/callback", location.origin).href;

/** The session has ended, and nothing but signing in again helps. */
export class Ended extends Error {}

/** The provider answered that nobody is signed in, and why. */
export class Refused extends Error {}

export class Session {
  #tell;
  #endpoints;
  #provider;
  #client;
  #token;
  #idToken;
  #refreshToken;

  /** `tell` hears of every arrow. */
  constructor(tell) {
    this.#tell = tell;
  }

  /** Asks where people sign in, and finds it. */
  async discover() {
    const response = await fetch("/api/v1/endpoints");
    this.#tell("endpoints", response.status);
    if (!response.ok) {
      throw new Refused("The provider where people sign in cannot be found at the moment.");
    }
    this.#endpoints = await response.json();
    const { issuer: name, client_id } = this.#endpoints.openid;
    const issuer = new URL(name);
    const found = await oauth.discoveryRequest(issuer);
    this.#provider = await oauth.processDiscoveryResponse(issuer, found);
    this.#client = { client_id };
  }

  /** Whether what the provider gives is exchanged by the API (flow 000), or taken as it is (flow 001). */
  get exchanges() {
    return this.#endpoints?.token_exchange != null;
  }

  get providerName() {
    return this.#provider ? new URL(this.#provider.issuer).hostname : "";
  }

  get isSignedIn() {
    return this.#token !== undefined;
  }

  /** Where to send the browser so that somebody signs in. */
  async begin() {
    const verifier = oauth.generateRandomCodeVerifier();
    const pending = { verifier, state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce() };
    sessionStorage.setItem(PENDING, JSON.stringify(pending));
    const url = new URL(this.#provider.authorization_endpoint);
    url.search = new URLSearchParams({
      response_type: "code",
      client_id: this.#client.client_id,
      redirect_uri: CALLBACK,
      scope: this.#endpoints.openid.scope,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
    });
    return url;
  }

  /** The answer of the provider, in the address of this page: `state` and `iss` are this login's. */
  async finish(url) {
    const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
    sessionStorage.removeItem(PENDING);
    if (pending === null) {
      throw new Refused("This answer belongs to no login of this page.");
    }
    let parameters;
    try {
      parameters = oauth.validateAuthResponse(this.#provider, this.#client, url, pending.state);
    } catch (error) {
      const denied = error instanceof oauth.AuthorizationResponseError;
      this.#tell("code", denied ? error.error : "refused");
      throw new Refused(denied && error.error === "access_denied"
        ? "You did not allow it, so nobody is signed in."
        : "The provider's answer is not the answer to this login.");
    }
    this.#tell("code", "ok");
    const response = await oauth.authorizationCodeGrantRequest(
      this.#provider, this.#client, oauth.None(), parameters, CALLBACK, pending.verifier);
    this.#tell("tokens", response.status);
    const tokens = await oauth.processAuthorizationCodeResponse(this.#provider, this.#client, response, {
      expectedNonce: pending.nonce,
      requireIdToken: true,
    });
    await oauth.validateApplicationLevelSignature(this.#provider, response);
    this.#idToken = tokens.id_token;
    if (this.exchanges) {
      await this.#exchange(tokens.access_token);
    } else {
      this.#keep(tokens);
    }
  }

  /** Goes on with a session that the API keeps, if there is one. */
  async resume() {
    return this.exchanges && await this.#exchange(undefined, "renewed").then(() => true, () => false);
  }

  /** A request with the access token. One that has ended is renewed once. */
  async call(method, path, body) {
    let response = await this.#send(method, path, body);
    if (response.status === 401) {
      await this.#renew();
      response = await this.#send(method, path, body);
    }
    return response;
  }

  /** Ends the session everywhere, and gives where to send the browser for that, and with what. An ID token is in
   *  no address: it goes by POST. */
  async end() {
    if (this.exchanges) {
      const response = await fetch(this.#endpoints.token_exchange, { method: "DELETE" });
      this.#tell("ended", response.status);
    } else if (this.#refreshToken) {
      const response = await oauth.revocationRequest(
        this.#provider, this.#client, oauth.None(), this.#refreshToken);
      this.#tell("ended", response.status);
    }
    const fields = {
      client_id: this.#client.client_id,
      post_logout_redirect_uri: new URL("/", location.origin).href,
      ...(this.#idToken && { id_token_hint: this.#idToken }),
    };
    this.#forget();
    return [this.#provider.end_session_endpoint, fields];
  }

  async #send(method, path, body) {
    const headers = { Authorization: `Bearer ${this.#token}` };
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
    }
    const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    this.#tell("restricted", response.status, `${method} ${path}`);
    return response;
  }

  /** With a token of the provider, or with the session that the API keeps for this browser. */
  async #exchange(brought, arrow = "exchange") {
    const headers = brought === undefined ? {} : { Authorization: `Bearer ${brought}` };
    const response = await fetch(this.#endpoints.token_exchange, { method: "POST", headers });
    if (response.ok || brought !== undefined || this.isSignedIn) {
      this.#tell(arrow, response.status);
    }
    if (!response.ok) {
      this.#forget();
      throw response.status === 401 ? new Ended() : new Refused("The API gives no token at the moment.");
    }
    this.#keep(await response.json());
  }

  async #renew() {
    if (this.exchanges) {
      return this.#exchange(undefined, "renewed");
    }
    if (this.#refreshToken === undefined) {
      this.#forget();
      throw new Ended();
    }
    const response = await oauth.refreshTokenGrantRequest(
      this.#provider, this.#client, oauth.None(), this.#refreshToken);
    this.#tell("renewed", response.status);
    try {
      this.#keep(await oauth.processRefreshTokenResponse(this.#provider, this.#client, response));
    } catch {
      this.#forget();
      throw new Ended();
    }
  }

  #keep(tokens) {
    this.#token = tokens.access_token;
    this.#refreshToken = tokens.refresh_token ?? this.#refreshToken;
    this.#idToken = tokens.id_token ?? this.#idToken;
  }

  #forget() {
    this.#token = this.#idToken = this.#refreshToken = undefined;
  }
}
