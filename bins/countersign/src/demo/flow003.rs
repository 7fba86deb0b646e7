//! Flow 003: Alice pushes to Bob, and Bob decides while she waits; then beforehand, and her agent
//! pushes alone.

mod afterwards;
mod bob;
mod endpoint;
mod files;
mod narrator;
mod people;
mod refusals;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_client::{Client, ClientError, Pending};
use countersign_host::Seams;
use countersign_login::Credentials;
use countersign_types::secret::Password;
use http::Response;
use http::header::{CONTENT_TYPE, LOCATION};
use tokio::time::{Instant, sleep};

use self::bob::Browser;
use self::files::MESSAGE;
use self::narrator::{AS, BOB, CLIENT, LAST, RS_NAME};
pub(super) use self::world::World;
use self::world::{ALICE, AUTHN, CLAIMS, Grounds, HOOK, INCOMING, Places, RS};
use super::servers::{Failure, Servers};
use super::story::{Data, Party, Step};
use super::teller::Teller;
use super::{Flow, at};
use crate::output::Output;

/// So long whoever sits at the keyboard has to decide.
const PATIENCE: Duration = Duration::from_secs(600);

impl Flow for World {
    const NUMBER: &'static str = "003";
    const TITLE: &'static str = "Alice pushes to Bob, and Bob decides";
    const CONFIG: &'static str = files::CLIENT;

    type Grounds = Grounds;

    fn prepare() -> Result<Grounds, Failure> {
        Grounds::prepare(false)
    }

    fn start(grounds: Grounds, teller: Arc<Teller>) -> Result<Self, Failure> {
        Self::start(grounds, teller, false)
    }

    fn servers(&mut self) -> &mut Servers {
        &mut self.servers
    }

    fn into_servers(self) -> Servers {
        self.servers
    }

    fn commands(program: &str, folder: &Path) -> Vec<String> {
        commands(program, folder)
    }

    async fn tell(&mut self) -> Result<(), Failure> {
        tell(self).await
    }
}

/// The same, with whoever sits at the keyboard as Bob.
pub(super) struct Live(World);

impl Flow for Live {
    const NUMBER: &'static str = <World as Flow>::NUMBER;
    const TITLE: &'static str = <World as Flow>::TITLE;
    const CONFIG: &'static str = <World as Flow>::CONFIG;

    type Grounds = Grounds;

    fn prepare() -> Result<Grounds, Failure> {
        Grounds::prepare(true)
    }

    fn start(grounds: Grounds, teller: Arc<Teller>) -> Result<Self, Failure> {
        World::start(grounds, teller, true).map(Self)
    }

    fn servers(&mut self) -> &mut Servers {
        &mut self.0.servers
    }

    fn into_servers(self) -> Servers {
        self.0.servers
    }

    fn commands(program: &str, folder: &Path) -> Vec<String> {
        commands(program, folder)
    }

    async fn tell(&mut self) -> Result<(), Failure> {
        tell(&mut self.0).await
    }
}

/// Writes what the five servers need to be started by hand.
pub(super) fn write(folder: &Path, out: Output) -> Result<(), Failure> {
    let (places, random) = (Places::by_hand(), Seams::system().random);
    let made = |made: &Path| world::write(made, &places, random.as_ref()).map(drop);
    super::files::write_new(folder, made)?;
    let folder = std::fs::canonicalize(folder)?;
    let file = |name| at(&folder, name);
    let console = format!("{}/console", places.uma.url);
    let commands = super::client_commands::<World>("countersign", &folder);
    let (agent, alice) = commands.split_last().ok_or("there is nothing to type")?;
    let text = format!(
        "\
Written to {shown}. Start each server in a terminal of its own:

  sts {authn}
  sts --claims-provider {claims}
  sts {idp}
  uma-server {uma}
  resource-server {rs}

Then sign in as Alice and leave her letter, which waits until Bob has decided:

{client}
Bob decides at {console}, in a browser that trusts {roots}:
he signs in as bob, with the password in {password}.
There he may share beforehand as well, and then Alice's agent leaves a letter alone:

{agent}",
        shown = folder.display(),
        authn = file(files::AUTHN),
        claims = file(files::CLAIMS),
        idp = file(files::IDP),
        uma = file(files::UMA),
        rs = file(files::RS),
        client = super::indented(alice),
        roots = file("ca.pem"),
        password = file(files::BOBS_PASSWORD),
        agent = super::indented(std::slice::from_ref(agent)),
    );
    let json = serde_json::json!({
        "folder": folder, "sts": file(files::AUTHN), "claims_provider": file(files::CLAIMS),
        "bobs_provider": file(files::IDP), "uma_server": file(files::UMA),
        "resource_server": file(files::RS), "client": file(files::CLIENT), "agent": file(files::AGENT),
        "open": console,
    });
    out.result(&text, &json).map_err(|failure| failure.line())?;
    Ok(())
}

/// What to type at a shell to leave a letter, as Alice and as her agent.
fn commands(program: &str, folder: &Path) -> Vec<String> {
    let (password, letter) = (at(folder, files::PASSWORD), at(folder, files::LETTER));
    let agent = at(folder, files::AGENT);
    vec![
        format!("{program} login {AUTHN} --headless --username alice --password-file {password}"),
        format!("{program} request --explain -X POST --data @{letter} {INCOMING}"),
        format!(
            "{program} request --config {agent} --on-behalf-of {ALICE} --data @{letter} {INCOMING}"
        ),
    ]
}

fn letter() -> Result<http::Request<Bytes>, Failure> {
    let request = http::Request::post(INCOMING).header(CONTENT_TYPE, "text/plain");
    Ok(request.body(Bytes::from_static(MESSAGE.as_bytes()))?)
}

async fn tell(world: &mut World) -> Result<(), Failure> {
    introduce(world);
    let teller = world.servers.teller();
    teller.heading("Before the flow");
    teller.registers(RS_NAME, AS, &world.places.uma.url).await;
    teller.heading("A stranger is refused");
    stranger(world).await?;

    teller.heading("Branch A: Alice is involved");
    world.narrator.begin(false);
    let client = people::client_of(world, "alice", true)?;
    let (posted, mut bob) = branch_a(world, &client).await?;
    world.narrator.begin(false);
    let read = match posted {
        Some(location) => {
            teller.heading("Bob reads it");
            let read = afterwards::read(world, &location).await?;
            teller.heading("Bob takes it back");
            afterwards::revoke(world, &client, &mut bob).await?;
            Some(read)
        }
        None => None,
    };

    teller.heading("Bob decides beforehand");
    afterwards::share(world, &mut bob).await?;
    teller.heading("Branch B: Alice is not involved, her agent acts");
    world.narrator.begin(true);
    let agent = people::agent_of(world, ALICE, true)?;
    let answer = agent.request(letter()?).await;
    drop(ended(&teller, answer));

    teller.heading("Three refusals");
    teller.fall_silent();
    for refusal in refusals::try_all(world).await {
        teller.refusal(refusal);
    }
    if let Some(body) = read {
        teller.heading("The data");
        let is_it = body == MESSAGE.as_bytes();
        let differs = (!is_it).then(|| "it is not what Alice wrote".to_owned());
        let body = String::from_utf8_lossy(&body).into_owned();
        teller.data(Data { body, differs: differs.into_iter().collect() });
    }
    Ok(())
}

/// Who takes part, a line each.
fn introduce(world: &World) {
    let places = &world.places;
    let server = |domain, role, url: &str, port: u16| Party {
        domain,
        role,
        // Told once a run: the story keeps its texts for as long as the program runs.
        url: Some(url.to_owned().leak()),
        listens: Some(format!("127.0.0.1:{port}")),
        ..Party::default()
    };
    let client = |role, id| Party {
        domain: "alice.example",
        role,
        client_id: Some(id),
        registered_at: vec![AUTHN, "bob.example"],
        ..Party::default()
    };
    let hooks = places.hooks;
    let hooks = hooks.map(|port| server("bob.example", "Bob's endpoint for notices", HOOK, port));
    let mut parties = vec![
        server("alice.example", "AuthN Server", AUTHN, places.authn),
        server("alice.example", "Claims Provider (CP)", CLAIMS, places.claims),
        server("bob.example", "AuthZ Server", &places.uma.url, places.uma.port),
        server("bob.example", "Resource Server (RS)", RS, places.rs),
        server("bob.example", "Bob's OpenID provider", &places.idp.url, places.idp.port),
    ];
    parties.extend(hooks);
    parties.extend([client("RqP Client", "rqp-client"), client("Alice's agent", "night-agent")]);
    world.servers.teller().parties(parties);
    world.servers.teller().line(
        "\n  Neither domain's servers know of the other's. The CP asks the AuthN server who has an address,\n  \
         by SCIM, and Bob is asked before anybody may leave him a message.",
    );
}

/// Somebody whom Bob's policy does not know, although her provider is his own.
async fn stranger(world: &World) -> Result<(), Failure> {
    let client = people::reader_of(world, "carol")?;
    let answer = client.request(letter()?).await;
    let is_denied = matches!(answer, Err(ClientError::Denied { .. }));
    let words = "403 request_denied: carol@bob.example is a stranger";
    let step = Step::new(None, AS, CLIENT, words).expect(is_denied, "request_denied was to come");
    let step = match world.narrator.last_failed() {
        Some(check) => step.detail("stopped by", format!("{} ({})", check.name, check.section)),
        None => step.expect(false, "a check was to fail"),
    };
    world.servers.teller().step(step);
    Ok(())
}

/// Arrows 1 to 10, with Bob in between: where Alice's letter is, and Bob at his console.
async fn branch_a(
    world: &mut World,
    client: &Client,
) -> Result<(Option<String>, Browser), Failure> {
    let teller = world.servers.teller();
    let pending = match client.request(letter()?).await {
        Err(ClientError::Submitted(pending)) => *pending,
        answer => return Ok((ended(&teller, answer), sign_in(world).await?)),
    };
    let asked = Instant::now();
    endpoint::tell(world).await?;
    let interval = Duration::from_secs(pending.interval.unwrap_or(5).into());
    if world.is_live {
        let answer = until_decided(world, client, pending, interval).await?;
        let posted = if matches!(answer, Err(ClientError::Denied { .. })) {
            teller.line("\n  Alice's letter is not left, as you said.");
            None
        } else {
            ended(&teller, answer)
        };
        return Ok((posted, sign_in(world).await?));
    }
    let mut bob = sign_in(world).await?;
    let Some(page) = bob.who_waits().await? else {
        let step = Step::new(None, AS, BOB, "shows who waits");
        teller.step(step.expect(false, "Alice was to wait"));
        return Ok((None, bob));
    };
    teller.step(
        Step::new(None, AS, BOB, "shows who waits, and who vouches for them")
            .detail("person", page.title())
            .detail("scope", page.scopes().unwrap_or_default().join(" "))
            .expect(page.title() == ALICE, "somebody else waits"),
    );
    bob.say(&page, "decide-1", "approve").await?;
    teller.step(Step::new(None, BOB, AS, "approves"));
    world.narrator.decided();
    // Whoever comes before the interval is over is told to wait for longer.
    sleep(interval.saturating_sub(asked.elapsed())).await;
    let answer = client.resume(pending, letter()?).await;
    Ok((ended(&teller, answer), bob))
}

/// Whoever sits at the keyboard decides, in a browser.
async fn until_decided(
    world: &World,
    client: &Client,
    mut pending: Pending,
    interval: Duration,
) -> Result<Result<Response<Bytes>, ClientError>, Failure> {
    let teller = world.servers.teller();
    teller.line(&format!(
        "\n  You are Bob. Open {}/console in a browser on this machine and decide.\n  \
         Sign in as bob with the password {}\n  \
         The certificates are of {}; a browser that does not know it asks whether to go on.\n  \
         Alice's client waits for ten minutes.\n",
        world.places.uma.url,
        world.secrets.bobs_password,
        world.servers.authority().root().display(),
    ));
    world.narrator.decides();
    let began = Instant::now();
    let mut wait = interval;
    loop {
        sleep(wait).await;
        let answer = client.resume(pending, letter()?).await;
        match answer {
            Err(ClientError::Submitted(still)) if began.elapsed() < PATIENCE => {
                wait = Duration::from_secs(still.interval.unwrap_or(5).into());
                pending = *still;
            }
            answer => return Ok(answer),
        }
    }
}

async fn sign_in(world: &World) -> Result<Browser, Failure> {
    let password = Password::new(world.secrets.bobs_password.as_str());
    let credentials = Credentials { username: "bob".to_owned(), password };
    Browser::sign_in(world.servers.fetch(), &world.places.uma.url, &credentials).await
}

/// The client is done: where its letter is.
fn ended(teller: &Teller, answer: Result<Response<Bytes>, ClientError>) -> Option<String> {
    match answer {
        Ok(response) => {
            let location = response.headers().get(LOCATION).and_then(|it| it.to_str().ok());
            teller.flow_ended(CLIENT, LAST, None);
            if location.is_none() {
                let step = Step::new(None, RS_NAME, CLIENT, "names no place");
                teller.step(step.expect(false, "a Location was to come"));
            }
            location.map(|location| format!("{RS}{location}"))
        }
        Err(error) => {
            let line = crate::failure::Failure::from(error).line();
            teller.flow_ended(CLIENT, LAST, Some(line));
            None
        }
    }
}

#[cfg(test)]
mod tests;
