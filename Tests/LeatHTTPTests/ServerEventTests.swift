import Leat
import LeatHTTP
import LeatReactor
import Testing

@Suite struct ServerEventTests {
    private func text(_ kind: HTTPServerEvent.Kind, connection: Int? = 3, request: Int? = 7) -> String {
        let time = LoopInstant(nanoseconds: 0)
        return HTTPServerEvent(connection: connection, request: request, time: time, kind: kind).description
    }

    @Test func eventsOfConnectionsAndOfTheServerSayWhich() {
        let address = SocketAddress.loopback(port: 4711)
        #expect(
            text(.connectionAccepted(remoteAddress: address), request: nil)
                == "connection 3: accepted from 127.0.0.1:4711"
        )
        #expect(text(.connectionClosed(.idle), request: nil) == "connection 3: closed: no request came in time")
        let lost = NetworkError(code: 104, operation: "recv")
        #expect(text(.connectionClosed(.failed(lost)), request: nil) == "connection 3: closed: \(lost)")
        #expect(text(.requestRefused(.badRequest), request: nil) == "connection 3: refused: 400 Bad Request")
        #expect(text(.shutdownBegan, connection: nil, request: nil) == "server: shutdown began")
        #expect(
            text(.shutdownEnded(cut: 2), connection: nil, request: nil)
                == "server: shutdown ended, connections cut off: 2"
        )
    }

    @Test func eventsOfRequestsShowNoFields() {
        let request = HTTPRequest(
            method: .get,
            scheme: nil,
            authority: "h.test",
            path: "/books?page=2",
            headerFields: [.authorization: "Bearer secret"]
        )
        #expect(text(.requestStarted(request)) == "connection 3, request 7: started: GET /books?page=2")
        #expect(text(.responseHeadSent(.ok)) == "connection 3, request 7: head sent: 200 OK")
        #expect(
            text(.requestEnded(.ok, bytes: 173, duration: .milliseconds(2)))
                == "connection 3, request 7: ended: 200 OK, 173 bytes, 0.002 seconds"
        )
        #expect(
            text(.requestEnded(.ok, bytes: nil, duration: .seconds(1)), connection: nil)
                == "request 7: ended: 200 OK, 1.0 seconds"
        )
        #expect(text(.requestFailed(HTTPStatusError(.gone))) == "connection 3, request 7: failed: 410 Gone")
    }
}
