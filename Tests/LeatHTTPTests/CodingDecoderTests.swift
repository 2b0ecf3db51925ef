import LeatHTTP
import Testing

/// Content codings, against what Python's zlib makes.
@Suite(.timeLimit(.minutes(5)))
struct CodingDecoderTests {
    /// Coded bytes, their codings in the order of application, and what they stand for.
    static let samples: [([UInt8], [ContentCoding], [UInt8])] = [
        (Compressed.gzip, [.gzip], Compressed.text),
        (Compressed.gzipWithFullHeader, [.gzip], Compressed.text),
        (Compressed.gzip + Compressed.emptyGzip + Compressed.gzip, [.gzip], Compressed.text + Compressed.text),
        (Compressed.emptyGzip, [.gzip], []),
        (Compressed.zlib, [.deflate], Compressed.text),
        (Compressed.raw, [.deflate], Compressed.text),
        (Compressed.stored, [.deflate], Array("hello".utf8)),
        (Compressed.emptyZlib, [.deflate], []),
        (Compressed.deflateThenGzip, [.deflate, .gzip], Compressed.text),
        (Compressed.largeInGzip, [.gzip, .gzip], Compressed.large),
    ]

    @Test(arguments: samples.indices)
    func everySplitGivesTheSame(sample: Int) throws {
        let (coded, codings, text) = Self.samples[sample]
        for pieces in splits(of: coded) {
            let decoded = try decode(pieces, as: codings)
            #expect(decoded == text, "\(pieces.map(\.count))")
        }
    }

    @Test(arguments: samples.indices)
    func collectingGivesTheSameAsStreaming(sample: Int) throws {
        let (coded, codings, text) = Self.samples[sample]
        for pieces in splits(of: coded) {
            let decoder = try ContentDecoder(codings)
            var body: [UInt8] = []
            for piece in pieces {
                try piece.withUnsafeBytes { try decoder.decode($0, appendingTo: &body, upTo: text.count) }
            }
            try decoder.finish()
            #expect(body == text)
        }
    }

    @Test func collectingKeepsToItsMaximum() throws {
        let decoder = try ContentDecoder([.gzip])
        var body: [UInt8] = []
        let error = failure { () throws(HTTPError) in
            let coded = UnsafeMutableRawBufferPointer.allocate(byteCount: Compressed.gzip.count, alignment: 1)
            defer { coded.deallocate() }
            coded.copyBytes(from: Compressed.gzip)
            try decoder.decode(UnsafeRawBufferPointer(coded), appendingTo: &body, upTo: Compressed.text.count - 1)
        }
        #expect(error?.kind == .bodyTooLarge)
        #expect(body.count < Compressed.text.count)
    }

    @Test func aLargeBodyComesInBoundedPieces() throws {
        let once = try decode([Compressed.largeInGzip], as: [.gzip])
        let decoder = try ContentDecoder([.gzip])
        decoder.feed(once)
        var sizes: [Int] = []
        while let piece = try decoder.next() { sizes.append(piece.count) }
        #expect(sizes.reduce(0, +) == 256_000)
        #expect(sizes.count >= 4)
        #expect(sizes.max() == ContentDecoder.maximumPiece)
    }

    // MARK: Damage

    @Test(arguments: samples.indices)
    func aTruncatedStreamIsAnError(sample: Int) {
        // Between the members of a gzip stream its end cannot be told from a truncation.
        let (coded, codings, _) = Self.samples[sample]
        let complete = sample == 2 ? [Compressed.gzip.count, Compressed.gzip.count + Compressed.emptyGzip.count] : []
        for count in 1..<coded.count where !complete.contains(count) {
            let part = Array(coded[..<count])
            #expect(
                failure { () throws(HTTPError) in try decode([part], as: codings) }?.kind == .incomplete,
                "\(count)"
            )
            let bytes = part.map { [$0] }
            #expect(failure { () throws(HTTPError) in try decode(bytes, as: codings) }?.kind == .incomplete, "\(count)")
        }
    }

    @Test func anEmptyBodyIsEmptyWhateverItsCoding() throws {
        #expect(try decode([], as: [.gzip]).isEmpty)
        #expect(try decode([], as: [.deflate, .gzip]).isEmpty)
    }

    @Test(arguments: [
        [0x00], [0x1F], [0x1F, 0x8B], [0x1F, 0x00], Array("garbage".utf8), [UInt8](repeating: 0, count: 512),
    ])
    func whatFollowsTheLastGzipMemberIsAnError(garbage: [UInt8]) {
        for pieces in splits(of: Compressed.gzip + garbage) {
            let error = failure { () throws(HTTPError) in try decode(pieces, as: [.gzip]) }
            // The beginning of another member is one that is cut off.
            let isMember = garbage == [0x1F] || garbage == [0x1F, 0x8B]
            #expect(error?.kind == (isMember ? .incomplete : .contentCoding), "\(garbage) \(pieces.map(\.count))")
            if !isMember { #expect(error?.message == "something else follows the gzip data in the body") }
        }
    }

    @Test func whatFollowsDeflateDataIsAnError() {
        for coded in [Compressed.zlib, Compressed.raw] {
            for pieces in splits(of: coded + coded) {
                #expect(failure { () throws(HTTPError) in try decode(pieces, as: [.deflate]) }?.kind == .contentCoding)
            }
        }
    }

    @Test func noFlippedBitChangesTheText() {
        // Of the header and of the padding after the last block, some bits mean nothing.
        for index in Compressed.gzip.indices {
            for bit in 0..<8 {
                var coded = Compressed.gzip
                coded[index] ^= 1 << bit
                do throws(HTTPError) {
                    let text = try decode([coded], as: [.gzip])
                    #expect(text == Compressed.text, "byte \(index) bit \(bit)")
                } catch {
                    #expect(error.kind == .contentCoding || error.kind == .incomplete, "byte \(index) bit \(bit)")
                }
            }
        }
    }

    @Test func anythingIsDecodedOrRefused() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<2000 {
            let noise = (0..<Int.random(in: 1...100, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let kinds: [HTTPError.Kind?] = [nil, .contentCoding, .incomplete]
            for codings: [ContentCoding] in [[.gzip], [.deflate], [.deflate, .deflate]] {
                #expect(kinds.contains(failure { () throws(HTTPError) in try decode([noise], as: codings) }?.kind))
            }
        }
    }

    @Test func dataThatNeedsADictionaryIsRefused() {
        let error = failure { () throws(HTTPError) in try decode([Compressed.withDictionary], as: [.deflate]) }
        #expect(error?.kind == .contentCoding)
        #expect(error?.message == "the deflate body needs a preset dictionary")
    }

    // MARK: Limits

    private static func limits(_ change: (inout ContentDecoder.Limits) -> Void) -> ContentDecoder.Limits {
        var limits = ContentDecoder.Limits()
        change(&limits)
        return limits
    }

    @Test func aBombIsRefusedByItsRatio() throws {
        let bomb = try decode([Compressed.bombInGzip], as: [.gzip])
        #expect(bomb.count == 10_221)
        for pieces in [[bomb], bomb.map { [$0] }] {
            let error = failure { () throws(HTTPError) in try decode(pieces, as: [.gzip]) }
            #expect(error?.kind == .compressionRatio)
        }
        // A bomb in a bomb.
        let error = failure { () throws(HTTPError) in try decode([Compressed.bombInGzip], as: [.gzip, .gzip]) }
        #expect(error?.kind == .compressionRatio)
    }

    @Test func whatABombBecomesUpToTheThresholdIsAllThatIsMadeOfIt() throws {
        let decoder = try ContentDecoder([.gzip, .gzip])
        decoder.feed(Compressed.bombInGzip)
        var count = 0
        let error = failure { () throws(HTTPError) in
            while let piece = try decoder.next() { count += piece.count }
        }
        #expect(error?.kind == .compressionRatio)
        #expect(count <= 1 << 20)
    }

    @Test func theRatioIsExact() throws {
        // 10,485,760 / 10,221 is between 1,025 and 1,026.
        let bomb = try decode([Compressed.bombInGzip], as: [.gzip])
        let over = Self.limits { $0.maximumRatio = 1025 }
        #expect(
            failure { () throws(HTTPError) in try decode([bomb], as: [.gzip], limits: over) }?.kind == .compressionRatio
        )
        let under = Self.limits { $0.maximumRatio = 1026 }
        #expect(try decode([bomb], as: [.gzip], limits: under).count == 10 << 20)
        let threshold = Self.limits { $0.ratioThreshold = 10 << 20 }
        #expect(try decode([bomb], as: [.gzip], limits: threshold).count == 10 << 20)
    }

    @Test func workThatComesToNothingCountsToo() throws {
        let coded = try decode([Compressed.emptyMembersInGzip], as: [.gzip])
        let error = failure { () throws(HTTPError) in try decode([coded], as: [.gzip, .gzip]) }
        #expect(error?.kind == .compressionRatio)
        // Up to the threshold it is an empty body.
        let limits = Self.limits { $0.ratioThreshold = 2_000_000 }
        #expect(try decode([coded], as: [.gzip, .gzip], limits: limits).isEmpty)
    }

    @Test func theMaximumSizeIsExact() throws {
        let exact = Self.limits { $0.maximumSize = Compressed.text.count }
        #expect(try decode([Compressed.gzip], as: [.gzip], limits: exact) == Compressed.text)
        let less = Self.limits { $0.maximumSize = Compressed.text.count - 1 }
        for pieces in splits(of: Compressed.gzip) {
            let error = failure { () throws(HTTPError) in try decode(pieces, as: [.gzip], limits: less) }
            #expect(error?.kind == .bodyTooLarge)
        }
        // The size of the data between two codings is not the body's.
        let between = Self.limits { $0.maximumSize = 0 }
        #expect(
            failure { () throws(HTTPError) in
                try decode([Compressed.emptyGzip], as: [.deflate, .gzip], limits: between)
            } == nil
        )
    }

    // MARK: The library

    @Test func aMissingLibraryIsNamedWithItsPackage() throws {
        guard case .failure(let error) = Zlib.load("libz-that-is-not-there.so.1") else {
            Issue.record("loaded")
            return
        }
        #expect(error.kind == .libraryUnavailable)
        #expect(error.message.contains("zlib1g"))
        #expect(error.message.contains("libz-that-is-not-there.so.1"))
        guard case .failure(let other) = Zlib.load("libm.so.6") else {
            Issue.record("loaded")
            return
        }
        #expect(other.message.hasSuffix("libm.so.6 has no inflateInit2_"))
    }

    @Test func theSystemsLibraryIsFound() throws {
        #expect(try Zlib.shared.get().version.hasPrefix("1."))
        #expect(ContentDecoder.acceptEncoding == "gzip, deflate")
    }
}
