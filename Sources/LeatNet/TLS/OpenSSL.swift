import LeatReactor

/// The functions of the system's OpenSSL 3 that are used here, loaded by the first who speaks TLS. What OpenSSL offers as a
/// macro over a `ctrl` function is spelled out where it is used.
struct OpenSSL: @unchecked Sendable {
    typealias Object = OpaquePointer
    typealias Pointer = UnsafeMutableRawPointer

    // Contexts
    let clientMethod: @convention(c) () -> Object?
    let serverMethod: @convention(c) () -> Object?
    let newContext: @convention(c) (Object?) -> Object?
    let freeContext: @convention(c) (Object?) -> Void
    let controlContext: @convention(c) (Object?, Int32, Int, Pointer?) -> Int
    let setContextCallback: @convention(c) (Object?, Int32, (@convention(c) () -> Void)?) -> Int
    let setContextOptions: @convention(c) (Object?, UInt64) -> UInt64
    let setVerify: @convention(c) (Object?, Int32, Pointer?) -> Void
    let setDefaultVerifyPaths: @convention(c) (Object?) -> Int32
    let loadVerifyLocations: @convention(c) (Object?, UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> Int32
    let useCertificateChainFile: @convention(c) (Object?, UnsafePointer<CChar>) -> Int32
    let usePrivateKeyFile: @convention(c) (Object?, UnsafePointer<CChar>, Int32) -> Int32
    let setPassphraseCallback:
        @convention(c) (
            Object?, (@convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, Pointer?) -> Int32)?
        ) -> Void
    let checkPrivateKey: @convention(c) (Object?) -> Int32
    let setClientProtocols: @convention(c) (Object?, UnsafePointer<UInt8>, UInt32) -> Int32
    let setProtocolSelection: @convention(c) (Object?, ProtocolSelection?, Pointer?) -> Void
    let setSessionIDContext: @convention(c) (Object?, UnsafePointer<UInt8>, UInt32) -> Int32
    let setNewSessionCallback: @convention(c) (Object?, (@convention(c) (Object?, Object?) -> Int32)?) -> Void

    typealias ProtocolSelection =
        @convention(c) (
            Object?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
            UnsafePointer<UInt8>?, UInt32, Pointer?
        ) -> Int32

    typealias ServerNameSelection = @convention(c) (Object?, UnsafeMutablePointer<Int32>?, Pointer?) -> Int32

    // Connections
    let new: @convention(c) (Object?) -> Object?
    let free: @convention(c) (Object?) -> Void
    let control: @convention(c) (Object?, Int32, Int, Pointer?) -> Int
    let setExtraData: @convention(c) (Object?, Int32, Pointer?) -> Int32
    let extraData: @convention(c) (Object?, Int32) -> Pointer?
    let setHost: @convention(c) (Object?, UnsafePointer<CChar>) -> Int32
    let setHostFlags: @convention(c) (Object?, UInt32) -> Void
    let parameters: @convention(c) (Object?) -> Object?
    let setAddress: @convention(c) (Object?, UnsafePointer<CChar>) -> Int32
    // Channels of our own, over a socket
    let newMethod: @convention(c) (Int32, UnsafePointer<CChar>) -> Object?
    let setMethodRead: @convention(c) (Object?, ChannelRead) -> Int32
    let setMethodWrite: @convention(c) (Object?, ChannelWrite) -> Int32
    let setMethodControl: @convention(c) (Object?, ChannelControl) -> Int32
    let setChannelData: @convention(c) (Object?, Pointer?) -> Void
    let channelData: @convention(c) (Object?) -> Pointer?
    let setChannelReady: @convention(c) (Object?, Int32) -> Void
    let setChannelFlags: @convention(c) (Object?, Int32) -> Void
    let clearChannelFlags: @convention(c) (Object?, Int32) -> Void

    typealias ChannelRead = @convention(c) (Object?, UnsafeMutablePointer<CChar>?, Int32) -> Int32
    typealias ChannelWrite = @convention(c) (Object?, UnsafePointer<CChar>?, Int32) -> Int32
    typealias ChannelControl = @convention(c) (Object?, Int32, Int, Pointer?) -> Int

    let setChannels: @convention(c) (Object?, Object?, Object?) -> Void
    let setConnecting: @convention(c) (Object?) -> Void
    let setAccepting: @convention(c) (Object?) -> Void
    let handshake: @convention(c) (Object?) -> Int32
    let read: @convention(c) (Object?, Pointer, Int, UnsafeMutablePointer<Int>) -> Int32
    let write: @convention(c) (Object?, UnsafeRawPointer, Int, UnsafeMutablePointer<Int>) -> Int32
    let hasPending: @convention(c) (Object?) -> Int32
    let error: @convention(c) (Object?, Int32) -> Int32
    let shutdown: @convention(c) (Object?) -> Int32
    let setShutdown: @convention(c) (Object?, Int32) -> Void
    let verifyResult: @convention(c) (Object?) -> Int
    let verifyErrorText: @convention(c) (Int) -> UnsafePointer<CChar>?
    let selectedProtocol:
        @convention(c) (Object?, UnsafeMutablePointer<UnsafePointer<UInt8>?>, UnsafeMutablePointer<UInt32>) -> Void
    let version: @convention(c) (Object?) -> UnsafePointer<CChar>?
    let serverName: @convention(c) (Object?, Int32) -> UnsafePointer<CChar>?
    let setSession: @convention(c) (Object?, Object?) -> Int32
    let sessionWasReused: @convention(c) (Object?) -> Int32
    let freeSession: @convention(c) (Object?) -> Void

    // Certificates
    let peerCertificate: @convention(c) (Object?) -> Object?
    let freeCertificate: @convention(c) (Object?) -> Void
    let encodeCertificate: @convention(c) (Object?, UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32
    let digestCertificate:
        @convention(c) (Object?, Object?, UnsafeMutablePointer<UInt8>, UnsafeMutablePointer<UInt32>) -> Int32
    let sha256: @convention(c) () -> Object?
    let subject: @convention(c) (Object?) -> Object?
    let printName: @convention(c) (Object?, Object?, Int32, UInt) -> Int32
    /// EVP_MAX_MD_SIZE
    static let maximumDigest = 64

    // Memory channels and errors
    let newChannel: @convention(c) (Object?) -> Object?
    let freeChannel: @convention(c) (Object?) -> Int32
    let memoryChannel: @convention(c) () -> Object?
    let readChannel: @convention(c) (Object?, Pointer, Int32) -> Int32
    let pendingInChannel: @convention(c) (Object?) -> Int
    let clearErrors: @convention(c) () -> Void
    let nextError: @convention(c) () -> UInt
    let errorText: @convention(c) (UInt, UnsafeMutablePointer<CChar>, Int) -> Void

    /// The library, loaded when it is first asked for.
    static let shared = Result<OpenSSL, TLSError> { () throws(TLSError) in try OpenSSL("libssl.so.3") }

    /// Loads a library by name. Throws ``TLSError`` of kind `.libraryMissing`.
    init(_ name: String) throws(TLSError) {
        do throws(DynamicLibrary.LoadError) {
            try self.init(DynamicLibrary(name))
        } catch {
            throw TLSError(
                .libraryMissing,
                """
                TLS needs OpenSSL 3, which could not be loaded; \
                install it: libssl3 on Debian and Ubuntu, openssl-libs on Fedora (\(error))
                """
            )
        }
    }

    private init(_ library: DynamicLibrary) throws(DynamicLibrary.LoadError) {
        clientMethod = try library.function("TLS_client_method")
        serverMethod = try library.function("TLS_server_method")
        newContext = try library.function("SSL_CTX_new")
        freeContext = try library.function("SSL_CTX_free")
        controlContext = try library.function("SSL_CTX_ctrl")
        setContextCallback = try library.function("SSL_CTX_callback_ctrl")
        setContextOptions = try library.function("SSL_CTX_set_options")
        setVerify = try library.function("SSL_CTX_set_verify")
        setDefaultVerifyPaths = try library.function("SSL_CTX_set_default_verify_paths")
        loadVerifyLocations = try library.function("SSL_CTX_load_verify_locations")
        useCertificateChainFile = try library.function("SSL_CTX_use_certificate_chain_file")
        usePrivateKeyFile = try library.function("SSL_CTX_use_PrivateKey_file")
        setPassphraseCallback = try library.function("SSL_CTX_set_default_passwd_cb")
        checkPrivateKey = try library.function("SSL_CTX_check_private_key")
        setClientProtocols = try library.function("SSL_CTX_set_alpn_protos")
        setProtocolSelection = try library.function("SSL_CTX_set_alpn_select_cb")
        setSessionIDContext = try library.function("SSL_CTX_set_session_id_context")
        setNewSessionCallback = try library.function("SSL_CTX_sess_set_new_cb")
        new = try library.function("SSL_new")
        free = try library.function("SSL_free")
        control = try library.function("SSL_ctrl")
        setExtraData = try library.function("SSL_set_ex_data")
        extraData = try library.function("SSL_get_ex_data")
        setHost = try library.function("SSL_set1_host")
        setHostFlags = try library.function("SSL_set_hostflags")
        parameters = try library.function("SSL_get0_param")
        setAddress = try library.function("X509_VERIFY_PARAM_set1_ip_asc")
        newMethod = try library.function("BIO_meth_new")
        setMethodRead = try library.function("BIO_meth_set_read")
        setMethodWrite = try library.function("BIO_meth_set_write")
        setMethodControl = try library.function("BIO_meth_set_ctrl")
        setChannelData = try library.function("BIO_set_data")
        channelData = try library.function("BIO_get_data")
        setChannelReady = try library.function("BIO_set_init")
        setChannelFlags = try library.function("BIO_set_flags")
        clearChannelFlags = try library.function("BIO_clear_flags")
        setChannels = try library.function("SSL_set_bio")
        setConnecting = try library.function("SSL_set_connect_state")
        setAccepting = try library.function("SSL_set_accept_state")
        handshake = try library.function("SSL_do_handshake")
        read = try library.function("SSL_read_ex")
        write = try library.function("SSL_write_ex")
        hasPending = try library.function("SSL_has_pending")
        error = try library.function("SSL_get_error")
        shutdown = try library.function("SSL_shutdown")
        setShutdown = try library.function("SSL_set_shutdown")
        verifyResult = try library.function("SSL_get_verify_result")
        verifyErrorText = try library.function("X509_verify_cert_error_string")
        selectedProtocol = try library.function("SSL_get0_alpn_selected")
        version = try library.function("SSL_get_version")
        serverName = try library.function("SSL_get_servername")
        setSession = try library.function("SSL_set_session")
        sessionWasReused = try library.function("SSL_session_reused")
        freeSession = try library.function("SSL_SESSION_free")
        peerCertificate = try library.function("SSL_get1_peer_certificate")
        freeCertificate = try library.function("X509_free")
        encodeCertificate = try library.function("i2d_X509")
        digestCertificate = try library.function("X509_digest")
        sha256 = try library.function("EVP_sha256")
        subject = try library.function("X509_get_subject_name")
        printName = try library.function("X509_NAME_print_ex")
        newChannel = try library.function("BIO_new")
        freeChannel = try library.function("BIO_free")
        memoryChannel = try library.function("BIO_s_mem")
        readChannel = try library.function("BIO_read")
        pendingInChannel = try library.function("BIO_ctrl_pending")
        clearErrors = try library.function("ERR_clear_error")
        nextError = try library.function("ERR_get_error")
        errorText = try library.function("ERR_error_string_n")
    }

    /// What the library has put into its queue of errors, in its own words.
    func takeErrors() -> String {
        var texts: [String] = []
        while texts.count < 8, case let code = nextError(), code != 0 {
            var text = [CChar](repeating: 0, count: 256)
            errorText(code, &text, text.count)
            texts.append(text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
        }
        return texts.joined(separator: "; ")
    }
}
