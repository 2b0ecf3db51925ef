import Glibc

/// A CA, what it signed, and another CA, in a directory of their own.
struct Certificates {
    private let directory: String

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    init() {
        var template = Array("/tmp/leat-doc-tls-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no directory in /tmp") }
        directory = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        let status = system(
            """
            cd \(directory) && exec 2> log
            make() { n=$1; shift
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=$n \
            -keyout $n.key -out $n.pem "$@"; }
            make ca && make old && for name in server client; do
            make $name -CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE \
            -addext subjectAltName=DNS:localhost || exit; done
            """
        )
        guard status == 0 else { fatalError("the openssl command made no certificates: see \(directory)/log") }
    }

    func remove() {
        for name in ["ca", "old", "server", "client"] {
            unlink(path("\(name).pem"))
            unlink(path("\(name).key"))
        }
        unlink(path("log"))
        rmdir(directory)
    }
}
