//! REST, figures, and whom they are for.

use serde_json::json;

use crate::client::{Client, server};
use crate::http::ask;

const BEARER: &str = "Authorization: Bearer 0123456789abcdef\r\nContent-Type: application/json\r\n";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn d61_rooms_are_listed_closed_and_cleared_by_rest() {
    let server = server(|config| config.api_token = Some("0123456789abcdef".into())).await;
    let at = server.address();
    for more in [
        "",
        "Authorization: Bearer 0123456789abcdee\r\n",
        "Authorization: Basic 0123456789abcdef\r\n",
    ] {
        assert_eq!(ask(at, "GET /api/rooms", more, "").await.status, 401);
    }
    let mut anna = Client::new(at).await;
    let mut bert = Client::new(at).await;
    anna.enter("channel/room").await;
    bert.enter("channel/room").await;
    let rooms = ask(at, "GET /api/rooms", BEARER, "").await.json();
    assert_eq!(
        (&rooms["rooms"][0]["sessionid"], &rooms["rooms"][0]["users"]),
        (&json!("channel/room"), &json!(2))
    );
    let room = ask(at, "GET /api/rooms/channel%2Froom", BEARER, "")
        .await
        .json();
    assert_eq!(
        (&room["owner"], &room["users"][1]["userid"]),
        (&json!(anna.userid), &json!(bert.userid))
    );
    assert!(!room.to_string().contains("verifier"));
    let eject = json!({ "userid": bert.userid, "ban": true }).to_string();
    let path = "POST /api/rooms/channel%2Froom/eject";
    assert_eq!(ask(at, path, BEARER, &eject).await.status, 200);
    assert_eq!(bert.hear_of("closed").await["reason"], "banned");
    assert_eq!(ask(at, path, BEARER, &eject).await.status, 404);
    assert_eq!(ask(at, path, BEARER, "{}").await.status, 400);
    assert_eq!(
        ask(at, "DELETE /api/rooms/channel%2Froom", BEARER, "")
            .await
            .status,
        200
    );
    assert_eq!(anna.hear_of("closed").await["reason"], "closed");
    assert_eq!(
        ask(at, "DELETE /api/rooms/channel%2Froom", BEARER, "")
            .await
            .status,
        404
    );
    assert_eq!(
        ask(at, "GET /api/stats", BEARER, "").await.json()["clients"],
        2
    );
    // Without `token_secret` no tokens.
    assert_eq!(ask(at, "POST /api/tokens", BEARER, "{}").await.status, 409);
}

#[tokio::test]
async fn d61_rest_has_a_port_of_its_own_where_one_is_named() {
    let server = server(|config| {
        config.rest_port = Some(0);
        config.api_token = Some("0123456789abcdef".into());
    })
    .await;
    let (page, rest) = (server.address(), server.rest_address().unwrap());
    assert_eq!(ask(rest, "GET /api/rooms", BEARER, "").await.status, 200);
    assert_eq!(ask(rest, "GET /metrics", "", "").await.status, 200);
    assert_eq!(ask(rest, "GET /healthz", "", "").await.body, "ok\n");
    assert_eq!(ask(rest, "GET /ortc.js", "", "").await.status, 404);
    assert_eq!(ask(page, "GET /ortc.js", "", "").await.status, 200);
    for path in ["GET /api/rooms", "GET /metrics", "GET /healthz"] {
        assert_eq!(ask(page, path, BEARER, "").await.status, 404);
    }
    let closed = crate::client::server(|_| {}).await;
    assert_eq!(
        ask(closed.address(), "GET /api/rooms", BEARER, "")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn c74_d37_roles_and_rooms_come_in_signed_tokens() {
    let server = server(|config| {
        config.api_token = Some("0123456789abcdef".into());
        config.token_secret = Some(SECRET.into());
        config.token_required = true;
    })
    .await;
    let at = server.address();
    let token = async |wish: serde_json::Value| {
        let answer = ask(at, "POST /api/tokens", BEARER, &wish.to_string()).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()
    };
    let made = token(json!({ "role": "admin", "room": "team/one", "userid": "anna" })).await;
    let link = made["link"].as_str().unwrap();
    assert!(
        link.starts_with(server.url()) && link.contains("#team%2Fone?token="),
        "{link}"
    );
    let mut anna = Client::hello(at, json!({ "token": made["token"] }))
        .await
        .unwrap();
    assert_eq!(
        (anna.userid.as_str(), &anna.welcome["role"]),
        ("anna", &json!("admin"))
    );
    anna.enter("team/one").await;
    // Another room is refused before anything is said of it.
    anna.say(json!({ "openOrJoin": { "room": "team/two" } }))
        .await;
    let error = anna.hear_of("error").await;
    assert_eq!(
        (&error["code"], &error["room"]),
        (&json!("notAllowed"), &json!("team/two"))
    );
    // Somebody who only listens is seen by all.
    let made = token(json!({ "role": "inspector", "room": "team/one", "once": true })).await;
    let hello = json!({ "token": made["token"], "role": "admin" });
    let mut eve = Client::hello(at, hello.clone()).await.unwrap();
    eve.enter("team/one").await;
    assert_eq!(anna.hear_of("joined").await["user"]["role"], "inspector");
    // Good once, but who was let in comes back.
    let refused = Client::hello(at, hello).await.err().unwrap();
    assert_eq!(refused.unwrap().0, 4003);
    let again = json!({ "token": made["token"], "resume": eve.resume, "seen": eve.seen });
    let eve = Client::hello(at, again).await.unwrap();
    assert_eq!(
        (&eve.welcome["resumed"], &eve.welcome["role"]),
        (&json!(true), &json!("inspector"))
    );
    // A room that is to be: whoever has the token opens it.
    let made = ask(at, "POST /api/rooms", BEARER, r#"{"room":"new"}"#).await;
    assert_eq!(made.status, 201);
    let mut host = Client::hello(at, json!({ "token": made.json()["token"] }))
        .await
        .unwrap();
    host.enter("new").await;
    assert_eq!(
        ask(at, "POST /api/rooms", BEARER, r#"{"room":"new"}"#)
            .await
            .status,
        409
    );
}

#[tokio::test]
async fn c74_an_admin_needs_a_token_unless_roles_are_free() {
    let closed = server(|_| {}).await;
    let end = Client::hello(closed.address(), json!({ "role": "admin" }))
        .await
        .err()
        .unwrap();
    assert_eq!(end.unwrap().0, 4003);
    let guest = Client::hello(closed.address(), json!({ "role": "guest" }))
        .await
        .unwrap();
    assert_eq!(guest.welcome["role"], "guest");
    let open = server(|config| config.roles_free = true).await;
    let admin = Client::hello(open.address(), json!({ "role": "admin" }))
        .await
        .unwrap();
    assert_eq!(admin.welcome["role"], "admin");
    let told = ask(open.address(), "GET /config.json", "", "").await.json();
    assert_eq!(
        (&told["rolesFree"], &told["open"], &told["websocket"]),
        (&json!(true), &json!(true), &json!("/ws"))
    );
}
