//! What a caller may cost. Everything that grows with what somebody sends has a bound here.

use std::time::Duration;

/// The bounds of a listener and of each request.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Of a request's body, in bytes.
    pub body_bytes_max: usize,
    /// Of JSON in a body, in levels.
    pub depth_max: usize,
    /// Jobs of one batch.
    pub batch_max: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// How long broker calls are repeated before the answer is 503.
    pub deadline: Duration,
    /// From the head of a request to its answer, everything included.
    pub request_time: Duration,
    /// How long a head may take to arrive, idle time of the connection included.
    pub head_time: Duration,
    /// How long a client may take no byte of an answer.
    pub stall_time: Duration,
    /// Lines of a head.
    pub headers_max: usize,
    /// Of a head, in bytes.
    pub head_bytes_max: usize,
    /// Open connections; more wait to be accepted.
    pub connections_max: usize,
    /// Readers of events; never more than half of the connections.
    pub readers_max: usize,
    /// How long a shutdown waits for open requests.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 32 * 1024 * 1024,
            depth_max: 64,
            batch_max: 10_000,
            body_time: Duration::from_secs(30),
            deadline: Duration::from_secs(10),
            request_time: Duration::from_secs(60),
            head_time: Duration::from_secs(30),
            stall_time: Duration::from_secs(30),
            headers_max: 64,
            head_bytes_max: 64 * 1024,
            connections_max: 4096,
            readers_max: 2048,
            grace: Duration::from_secs(10),
        }
    }
}

/// How deep the arrays and objects of a JSON text are nested, without parsing it; 0 for a plain value.
pub(crate) fn depth(json: &[u8]) -> usize {
    let (mut now, mut most, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    #[test]
    fn depth_counts_brackets_that_are_not_text() {
        for (json, depth) in
            [("1", 0), ("{}", 1), (r#"{"a":[1,{"b":2}],"c":{}}"#, 3), (r#"["[[[[\"[[[\\"]"#, 1), (r#"[[],[],[[]]]"#, 3), ("]]][", 1)]
        {
            assert_eq!(super::depth(json.as_bytes()), depth, "{json}");
        }
    }
}
