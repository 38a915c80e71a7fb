//! The SDK's arrays, to the letter.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client::{Client, PATIENCE, request, server};
use crate::http::ask;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(at: SocketAddr) -> Socket {
    connect_async(request(at, "/compat")).await.unwrap().0
}

async fn says(socket: &mut Socket, text: &str) -> String {
    socket.send(Message::text(text)).await.unwrap();
    loop {
        let next = timeout(PATIENCE, socket.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        if let Message::Text(text) = next {
            return text.to_string();
        }
    }
}

#[tokio::test]
async fn d53_two_pages_of_the_sdk_meet_as_in_its_document() {
    let server = server(|config| config.api_token = Some("0123456789abcdef".into())).await;
    let at = server.address();
    let presence = r#"[ "presence", { "channel": "2435937115056035" } ]"#;
    let mut first = connect(at).await;
    assert_eq!(says(&mut first, presence).await, r#"["presence",false]"#);
    let open = r#"[ "open-channel", { "channel": "2435937115056035", "sender": "gxh0oi2jrs", "maxAllowed": 6 } ]"#;
    assert_eq!(
        says(&mut first, open).await,
        r#"["open-channel-resp",{"status":true,"channel":"2435937115056035"}]"#
    );
    let mut second = connect(at).await;
    assert_eq!(says(&mut second, presence).await, r#"["presence",true]"#);
    let join = r#"["join-channel", {"channel": "2435937115056035", "sender": "2ilwvn9qq39"}]"#;
    assert_eq!(
        says(&mut second, join).await,
        r#"["join-channel-resp",{"status":true,"channel":"2435937115056035","users":["gxh0oi2jrs","2ilwvn9qq39"]}]"#
    );
    // The server's record is what REST tells.
    let bearer = "Authorization: Bearer 0123456789abcdef\r\n";
    let record = ask(at, "GET /api/rooms/2435937115056035?compat", bearer, "")
        .await
        .json();
    let members: Vec<_> = record
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut wanted = [
        "channel",
        "timestamp",
        "maxAllowed",
        "users",
        "status",
        "endtimestamp",
        "log",
    ];
    wanted.sort_unstable();
    assert_eq!(members, wanted);
    assert_eq!(
        (&record["maxAllowed"], &record["endtimestamp"]),
        (&6.into(), &0.into())
    );
    let created = record["log"][0].as_str().unwrap();
    let stamp = record["timestamp"].as_str().unwrap();
    assert_eq!(
        created,
        format!("{stamp}:-channel created . User gxh0oi2jrs waiting ")
    );

    // Not twice, not into nothing, not more than are allowed.
    assert!(
        says(&mut connect(at).await, open)
            .await
            .contains(r#""status":false"#)
    );
    assert!(
        says(&mut second, &open.replace("gxh0oi2jrs", "2ilwvn9qq39"))
            .await
            .contains(r#""status":false"#)
    );
    let nowhere = join.replace("2435937115056035", "none");
    assert!(
        says(&mut connect(at).await, &nowhere)
            .await
            .contains(r#""status":false"#)
    );
    let mut sockets = Vec::new();
    for number in 0..5 {
        let mut socket = connect(at).await;
        let join = join.replace("2ilwvn9qq39", &format!("more{number}"));
        let joined = says(&mut socket, &join).await.contains(r#""status":true"#);
        assert_eq!(joined, number < 4, "{number}");
        sockets.push(socket);
    }
    assert!(says(&mut first, "{}").await.starts_with(r#"["error","#));
    // All others see the same room.
    let mut client = Client::new(at).await;
    client
        .say(serde_json::json!({ "rooms": { "watch": true } }))
        .await;
    assert_eq!(client.hear_of("rooms").await["rooms"][0]["users"], 6);
    drop((first, second, sockets));
    loop {
        if client.hear_of("rooms").await["gone"][0] == "2435937115056035" {
            break;
        }
    }
}
