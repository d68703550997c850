use std::io::{Read, Write};

fn main() {
    let port = std::env::var("PORT").unwrap();
    let listener = std::net::TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let answer = ["HTTP/1.0 200 OK\r\n\r\nrust ", itoa::Buffer::new().format(60000)].concat();
        let _ = stream.write_all(answer.as_bytes());
    }
}
