/// The content types that bodies commonly have, one byte each, so that a body that has one is no larger than one without.
package enum HTTPContentType: UInt8, CaseIterable, Sendable {
    case text, html, json, form, octetStream, css
    case javaScript, markdown, csv, eventStream, jsonLines, xml, pdf, wasm, zip, gzip, tar, xz
    case svg, png, jpeg, gif, webp, avif, icon
    case mp3, ogg, wav, mp4, webm, woff, woff2, ttf, otf

    /// The complete field line, with its end.
    package var line: StaticString {
        switch self {
        case .text: "Content-Type: text/plain; charset=utf-8\r\n"
        case .html: "Content-Type: text/html; charset=utf-8\r\n"
        case .json: "Content-Type: application/json\r\n"
        case .form: "Content-Type: application/x-www-form-urlencoded\r\n"
        case .octetStream: "Content-Type: application/octet-stream\r\n"
        case .css: "Content-Type: text/css; charset=utf-8\r\n"
        case .javaScript: "Content-Type: text/javascript; charset=utf-8\r\n"
        case .markdown: "Content-Type: text/markdown; charset=utf-8\r\n"
        case .csv: "Content-Type: text/csv; charset=utf-8\r\n"
        case .eventStream: "Content-Type: text/event-stream\r\n"
        case .jsonLines: "Content-Type: application/jsonl\r\n"
        case .xml: "Content-Type: application/xml\r\n"
        case .pdf: "Content-Type: application/pdf\r\n"
        case .wasm: "Content-Type: application/wasm\r\n"
        case .zip: "Content-Type: application/zip\r\n"
        case .gzip: "Content-Type: application/gzip\r\n"
        case .tar: "Content-Type: application/x-tar\r\n"
        case .xz: "Content-Type: application/x-xz\r\n"
        case .svg: "Content-Type: image/svg+xml\r\n"
        case .png: "Content-Type: image/png\r\n"
        case .jpeg: "Content-Type: image/jpeg\r\n"
        case .gif: "Content-Type: image/gif\r\n"
        case .webp: "Content-Type: image/webp\r\n"
        case .avif: "Content-Type: image/avif\r\n"
        case .icon: "Content-Type: image/vnd.microsoft.icon\r\n"
        case .mp3: "Content-Type: audio/mpeg\r\n"
        case .ogg: "Content-Type: audio/ogg\r\n"
        case .wav: "Content-Type: audio/wav\r\n"
        case .mp4: "Content-Type: video/mp4\r\n"
        case .webm: "Content-Type: video/webm\r\n"
        case .woff: "Content-Type: font/woff\r\n"
        case .woff2: "Content-Type: font/woff2\r\n"
        case .ttf: "Content-Type: font/ttf\r\n"
        case .otf: "Content-Type: font/otf\r\n"
        }
    }

    /// The value of the field, for example `text/html; charset=utf-8`.
    package var value: String { String(decoding: valueBytes, as: UTF8.self) }

    private var valueBytes: UnsafeBufferPointer<UInt8> {
        let line = line
        let (name, end) = ("Content-Type: ".utf8.count, "\r\n".utf8.count)
        return UnsafeBufferPointer(start: line.utf8Start + name, count: line.utf8CodeUnitCount - name - end)
    }

    /// The type with this value, octet for octet; nil if it is not one of these.
    init?(value: String) {
        let found = Self.allCases.first { $0.valueBytes.elementsEqual(value.utf8) }
        guard let found else { return nil }
        self = found
    }
}

extension HTTPContentType {
    /// The type of a file, by the end of its name in any case of letters; nil if that says nothing.
    package init?(path: String) {
        guard let name = path.split(separator: "/").last, let dot = name.lastIndex(of: "."), dot > name.startIndex,
            let found = Self.byExtension[name[name.index(after: dot)...].lowercased()]
        else { return nil }
        self = found
    }

    private static let byExtension: [String: HTTPContentType] = [
        "txt": .text, "html": .html, "htm": .html, "json": .json, "css": .css, "js": .javaScript, "mjs": .javaScript,
        "md": .markdown, "csv": .csv, "jsonl": .jsonLines, "xml": .xml, "pdf": .pdf, "wasm": .wasm, "zip": .zip,
        "gz": .gzip, "tar": .tar, "xz": .xz, "svg": .svg, "png": .png, "jpg": .jpeg, "jpeg": .jpeg, "gif": .gif,
        "webp": .webp, "avif": .avif, "ico": .icon, "mp3": .mp3, "ogg": .ogg, "wav": .wav, "mp4": .mp4, "webm": .webm,
        "woff": .woff, "woff2": .woff2, "ttf": .ttf, "otf": .otf,
    ]
}
