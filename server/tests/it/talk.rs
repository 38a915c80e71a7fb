//! Clients among themselves.

use serde_json::json;
use tokio::time::timeout;

use crate::client::{Client, PATIENCE, server};

#[tokio::test]
async fn c82_d01_d02_two_meet_in_a_room_and_talk() {
    let server = server(|_| {}).await;
    let at = server.address();
    timeout(PATIENCE, async {
        let mut anna = Client::hello(at, json!({ "userid": "anna", "extra": { "name": "Anna" } }))
            .await
            .unwrap();
        let room = anna.enter("demo").await;
        assert_eq!(room["owner"], "anna");
        let mut bert = Client::new(at).await;
        let room = bert.enter("demo").await;
        assert_eq!(room["users"][0]["extra"]["name"], "Anna");
        let joined = anna.hear_of("joined").await;
        assert_eq!(joined["user"]["userid"], bert.userid.as_str());
        bert.say(json!({ "say": { "room": "demo", "to": "anna", "body": { "x": 1 } } }))
            .await;
        let said = anna.hear_of("said").await;
        assert_eq!(
            (&said["from"], &said["body"]["x"]),
            (&json!(bert.userid), &json!(1))
        );
        // A lost connection is resumed, and misses nothing.
        let (resume, seen) = (anna.resume.clone(), anna.seen);
        drop(anna);
        for number in 0..100 {
            bert.say(json!({ "say": { "room": "demo", "body": number } }))
                .await;
        }
        let hello = json!({ "resume": resume, "seen": seen });
        let mut anna = Client::hello(at, hello).await.unwrap();
        assert_eq!(anna.welcome["resumed"], true);
        assert_eq!(anna.userid, "anna");
        for number in 0..100 {
            assert_eq!(anna.hear_of("said").await["body"], number);
        }
        server.shut_down().await;
        anna.hear_of("goodbye").await;
        assert_eq!(anna.end().await.unwrap().0, 4000);
    })
    .await
    .unwrap();
}
