import Glibc

/// The functions of the system's OpenSSL 3 that are used here, found with dlopen(3): nothing is linked, and a program that
/// speaks no TLS never loads it.
///
/// They are looked up by handle only, so another TLS library in the process does not get in between, and the library is
/// never unloaded. What OpenSSL offers as a macro over a `ctrl` function is spelled out where it is used.
struct OpenSSL: @unchecked Sendable {
    typealias Object = OpaquePointer
    typealias Pointer = UnsafeMutableRawPointer

    // Contexts
    let clientMethod: @convention(c) () -> Object?
    let serverMethod: @convention(c) () -> Object?
    let newContext: @convention(c) (Object?) -> Object?
    let freeContext: @convention(c) (Object?) -> Void
    let controlContext: @convention(c) (Object?, Int32, Int, Pointer?) -> Int
    let setContextOptions: @convention(c) (Object?, UInt64) -> UInt64
    let setVerify: @convention(c) (Object?, Int32, Pointer?) -> Void
    let setDefaultVerifyPaths: @convention(c) (Object?) -> Int32
    let loadVerifyLocations: @convention(c) (Object?, UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> Int32
    let useCertificateChainFile: @convention(c) (Object?, UnsafePointer<CChar>) -> Int32
    let usePrivateKeyFile: @convention(c) (Object?, UnsafePointer<CChar>, Int32) -> Int32
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
    let setChannels: @convention(c) (Object?, Object?, Object?) -> Void
    let setConnecting: @convention(c) (Object?) -> Void
    let setAccepting: @convention(c) (Object?) -> Void
    let handshake: @convention(c) (Object?) -> Int32
    let read: @convention(c) (Object?, Pointer, Int, UnsafeMutablePointer<Int>) -> Int32
    let write: @convention(c) (Object?, UnsafeRawPointer, Int, UnsafeMutablePointer<Int>) -> Int32
    let pending: @convention(c) (Object?) -> Int32
    let error: @convention(c) (Object?, Int32) -> Int32
    let shutdown: @convention(c) (Object?) -> Int32
    let verifyResult: @convention(c) (Object?) -> Int
    let verifyErrorText: @convention(c) (Int) -> UnsafePointer<CChar>?
    let selectedProtocol:
        @convention(c) (Object?, UnsafeMutablePointer<UnsafePointer<UInt8>?>, UnsafeMutablePointer<UInt32>) -> Void
    let version: @convention(c) (Object?) -> UnsafePointer<CChar>?
    let setSession: @convention(c) (Object?, Object?) -> Int32
    let sessionWasReused: @convention(c) (Object?) -> Int32
    let freeSession: @convention(c) (Object?) -> Void

    // Memory channels and errors
    let newChannel: @convention(c) (Object?) -> Object?
    let memoryChannel: @convention(c) () -> Object?
    let readChannel: @convention(c) (Object?, Pointer, Int32) -> Int32
    let writeChannel: @convention(c) (Object?, UnsafeRawPointer, Int32) -> Int32
    let pendingInChannel: @convention(c) (Object?) -> Int
    let clearErrors: @convention(c) () -> Void
    let nextError: @convention(c) () -> UInt
    let errorText: @convention(c) (UInt, UnsafeMutablePointer<CChar>, Int) -> Void

    /// The library, loaded when it is first asked for.
    static let shared = Result<OpenSSL, TLSError> { () throws(TLSError) in try OpenSSL() }

    private init() throws(TLSError) {
        guard let library = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL) else {
            throw TLSError(
                .libraryMissing,
                """
                TLS needs OpenSSL 3 (libssl.so.3), which could not be loaded; \
                install it: libssl3 on Debian and Ubuntu, openssl-libs on Fedora (\(String(cString: dlerror())))
                """
            )
        }
        func find<Function>(_ name: String, as: Function.Type = Function.self) throws(TLSError) -> Function {
            guard let address = dlsym(library, name) else {
                throw TLSError(.libraryMissing, "the system's libssl.so.3 has no \(name)")
            }
            return unsafeBitCast(address, to: Function.self)
        }
        clientMethod = try find("TLS_client_method")
        serverMethod = try find("TLS_server_method")
        newContext = try find("SSL_CTX_new")
        freeContext = try find("SSL_CTX_free")
        controlContext = try find("SSL_CTX_ctrl")
        setContextOptions = try find("SSL_CTX_set_options")
        setVerify = try find("SSL_CTX_set_verify")
        setDefaultVerifyPaths = try find("SSL_CTX_set_default_verify_paths")
        loadVerifyLocations = try find("SSL_CTX_load_verify_locations")
        useCertificateChainFile = try find("SSL_CTX_use_certificate_chain_file")
        usePrivateKeyFile = try find("SSL_CTX_use_PrivateKey_file")
        checkPrivateKey = try find("SSL_CTX_check_private_key")
        setClientProtocols = try find("SSL_CTX_set_alpn_protos")
        setProtocolSelection = try find("SSL_CTX_set_alpn_select_cb")
        setSessionIDContext = try find("SSL_CTX_set_session_id_context")
        setNewSessionCallback = try find("SSL_CTX_sess_set_new_cb")
        new = try find("SSL_new")
        free = try find("SSL_free")
        control = try find("SSL_ctrl")
        setExtraData = try find("SSL_set_ex_data")
        extraData = try find("SSL_get_ex_data")
        setHost = try find("SSL_set1_host")
        setHostFlags = try find("SSL_set_hostflags")
        parameters = try find("SSL_get0_param")
        setAddress = try find("X509_VERIFY_PARAM_set1_ip_asc")
        setChannels = try find("SSL_set_bio")
        setConnecting = try find("SSL_set_connect_state")
        setAccepting = try find("SSL_set_accept_state")
        handshake = try find("SSL_do_handshake")
        read = try find("SSL_read_ex")
        write = try find("SSL_write_ex")
        pending = try find("SSL_pending")
        error = try find("SSL_get_error")
        shutdown = try find("SSL_shutdown")
        verifyResult = try find("SSL_get_verify_result")
        verifyErrorText = try find("X509_verify_cert_error_string")
        selectedProtocol = try find("SSL_get0_alpn_selected")
        version = try find("SSL_get_version")
        setSession = try find("SSL_set_session")
        sessionWasReused = try find("SSL_session_reused")
        freeSession = try find("SSL_SESSION_free")
        newChannel = try find("BIO_new")
        memoryChannel = try find("BIO_s_mem")
        readChannel = try find("BIO_read")
        writeChannel = try find("BIO_write")
        pendingInChannel = try find("BIO_ctrl_pending")
        clearErrors = try find("ERR_clear_error")
        nextError = try find("ERR_get_error")
        errorText = try find("ERR_error_string_n")
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
