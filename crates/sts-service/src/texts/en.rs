//! English.

use super::{Text, Texts};

/// The texts.
pub(super) const TEXTS: Texts = Texts {
    tag: "en",
    // Signing in.
    sign_in_to: Text("Sign in to {provider}"),
    client_asks_to: Text("{client} asks for your permission to:"),
    then_your_account: Text("Then you see your account."),
    username: Text("User name or e-mail address"),
    password: Text("Password"),
    sign_in: Text("Sign in"),
    sign_in_and_allow: Text("Sign in and allow this"),
    sign_in_with: Text("Sign in with {upstream}"),
    sign_in_with_and_allow: Text("Sign in with {upstream} and allow this"),
    or_with_a_password: Text("Or with a password of {provider}"),
    cancel: Text("Cancel"),
    signing_in_allows: Text("Signing in allows {client} what is listed above."),
    password_stays: Text("Your password stays with {provider}."),
    sent_back: Text("You will be sent back to {destination}."),
    // What a client may do. A scope that is none of these is called by its name.
    scope_openid: Text("know which account you signed in with"),
    scope_profile: Text("see your name"),
    scope_email: Text("see your e-mail address"),
    scope_offline_access: Text("keep all of this while you are away"),
    scope_claims_provider: Text("speak for you elsewhere: tell the servers you visit who you are"),
    scope_other: Text("use {scope}"),
    // Consent.
    client_asks: Text("{client} asks for your permission"),
    would_be_allowed: Text(
        "You are signed in to {provider} as {username}. {client} would be allowed to:",
    ),
    allow: Text("Allow this"),
    somebody_else: Text("Sign in as somebody else"),
    // The account.
    your_account: Text("Your account at {provider}"),
    person_of: Text("{person} (by {upstream})"),
    signed_in_as: Text("You are signed in as {username}."),
    where_signed_in: Text("Where you are signed in"),
    browser_on: Text("{browser} on {system}"),
    some_browser_on: Text("A browser on {system}"),
    some_browser: Text("A browser"),
    this_one: Text("(this one)"),
    since: Text("Since {moment}."),
    again: Text("Signed in again {moment}."),
    sign_out_there: Text("Sign out there"),
    sign_out_elsewhere: Text("Sign out everywhere else"),
    what_you_allowed: Text("What you allowed"),
    goes_on: Text("It goes on while you are away."),
    take_back: Text("Take this back"),
    nothing_allowed: Text("You have not allowed any application anything."),
    how_else: Text("How else you sign in"),
    linked_as: Text("As {label}."),
    could_not_without: Text("You could not sign in without it."),
    comes_from_it: Text(
        "Your name, your address and your roles here come from it. If you end this link, they end with it, and from then on {upstream} says who you are, as soon as you sign in there.",
    ),
    first_through: Text(
        "To end this link, sign in through {upstream} first, so that it is certain that you still can.",
    ),
    first_by_password: Text(
        "To end this link, sign out here and sign in with your password first, so that it is certain that you still can.",
    ),
    first_another: Text(
        "Your name, your address and your roles here come from it. To end this link, link another provider and sign in through that one first.",
    ),
    end_link: Text("End this link"),
    end_and_close: Text("End this link and close the account"),
    link_with: Text("Link {upstream}, to sign in through it as well"),
    first_sign_in: Text("To link a way to sign in, sign in once more first."),
    // Closing the account.
    really_close: Text("Close your account at {provider}?"),
    only_way_in: Text(
        "{upstream} is the only way in to the account {username}. If you end the link, the account is closed.",
    ),
    what_closing_ends: Text(
        "You are signed out everywhere, what you allowed applications ends, and they will not know you again if you come back. This cannot be taken back.",
    ),
    close_account: Text("Close the account"),
    keep_account: Text("Keep it"),
    account_closed: Text("Your account at {provider} is closed"),
    comes_anew: Text(
        "You are signed out. Whoever signs in through {upstream} from now on gets a new account.",
    ),
    first_sign_in_to_close: Text("To close your account, sign in once more first."),
    // Linking an account.
    belong_together: Text("Do the two belong together?"),
    from_now_on: Text(
        "From now on, whoever signs in to {upstream} as {label} gets into the account of {address} at {provider}. On your account page you can end that.",
    ),
    link_the_two: Text("Link the two"),
    account_already: Text("You have an account here already"),
    knows_you_as: Text(
        "{upstream} knows you as {label}, by the address {address}. That is the address of an account at {provider}. If it is yours, sign in to it once, and the two can be linked.",
    ),
    password_of: Text("Password of {address} at {provider}"),
    sign_in_to_account: Text("Sign in to this account"),
    cancel_links_nothing: Text(
        "If you cancel, nothing is linked, and you are sent back to {destination}.",
    ),
    cancel_links_nothing_here: Text("If you cancel, nothing is linked."),
    // On the way to another provider.
    on_to: Text("On to {upstream}"),
    sends_you: Text("{provider} sends you to {upstream}, where you sign in."),
    continue_to: Text("Continue to {upstream}"),
    back_to: Text("Back to {destination}"),
    sends_you_back: Text("{provider} sends you back to where you came from."),
    // Signing out.
    sign_out: Text("Sign out"),
    sign_out_of: Text("Sign out of {provider}"),
    really_sign_out: Text("Sign out of {provider}?"),
    wants_you_signed_out: Text(
        "You are signed in as {username}. Whoever sent you here wants you signed out in this browser.",
    ),
    if_you_did_not_ask: Text("If you did not ask for this, close this page: you stay signed in."),
    signed_out: Text("You are signed out of {provider}"),
    others_go_on: Text("Applications that you allowed to go on while you are away still do."),
    // What went wrong.
    did_not_work: Text("This did not work"),
    nothing_was_sent: Text(
        "You have not been signed in, and nothing was sent to anyone. Go back to the application you came from and try again.",
    ),
    too_old: Text("This page is too old, or it was not opened in this browser."),
    malformed: Text("The request that brought you here is malformed."),
    unknown_client: Text("The application that sent you here is not known to this server."),
    unknown_place: Text(
        "The application that sent you here wants the answer at a place that is not registered for it.",
    ),
    not_made: Text("This server could not make the page."),
    unavailable: Text("This server cannot do that at the moment."),
    wrong: Text("The user name or the password is wrong."),
    wrong_password: Text("The password is wrong."),
    too_many: Text("Too many attempts. Try again in ten minutes."),
    busy: Text("Too many people are signing in. Try again soon."),
    no_passwords: Text("Nobody signs in here by a password."),
    start_over: Text(
        "You were not signed in: this page was too old, this server was restarted, or your browser keeps no cookies. Please try again.",
    ),
    choose: Text("Choose how you want to sign in."),
    last_link: Text("Without it you could not sign in any more, so the link stays."),
    linked_elsewhere: Text(
        "{upstream} knows you as somebody who has another account here, so that nothing was linked.",
    ),
    nobody_began: Text(
        "This is not the answer to a sign-in that was begun in this browser a few minutes ago, or it was used already, or this server was restarted.",
    ),
    unknown_provider: Text("The provider that sent you here is not known to this server."),
    // What went wrong at another provider.
    upstream_declined: Text("{upstream} did not let you in, or you declined there."),
    upstream_refused: Text("{upstream} could not sign you in. You can try again."),
    upstream_auth_time: Text(
        "{upstream} did not ask you to sign in again, which the application wants.",
    ),
    upstream_required: Text("{upstream} knows you, but your account there may not be used here."),
    upstream_account: Text("{upstream} knows you, but your account here cannot be used."),
    upstream_taken: Text(
        "{upstream} knows you by an address that belongs to an account here already, which is reached in another way. Sign in as you did before.",
    ),
    upstream_unbelievable: Text("{upstream} answered with something that cannot be believed."),
    upstream_unreachable: Text("{upstream} cannot be reached at the moment. Try again soon."),
};
