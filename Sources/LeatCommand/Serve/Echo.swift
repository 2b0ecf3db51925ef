import CommandKit
import Leat

/// `leat serve --echo`: says back what the request said.
enum Echo {
    static let answer: HTTPServer.Handler = { request, body in
        // As large as the server lets through.
        let bytes = try await body.collect(upTo: Int.max)
        let description = JSON.object([
            ("method", .string(request.method.rawValue)),
            ("target", .string(request.path ?? "")),
            ("headers", .array(request.headerFields.map { .array([.string($0.name.rawName), .string($0.value)]) })),
            ("body_base64", .string(Base64.encode(bytes))),
        ])
        return HTTPServerResponse(
            headerFields: [.contentType: "application/json"],
            body: .text(description.text + "\n")
        )
    }
}
