import Glibc
import LeatNet

/// Certificates made with the `openssl` command, once per run: a CA and what it signed, some of it badly.
struct TLSFixtures: Sendable {
    let directory: String

    static let shared = TLSFixtures()
    static let isAvailable = access("/usr/bin/openssl", X_OK) == 0

    /// A server's side, with a certificate and its key.
    func server(_ certificate: String = "good") -> TLSConfiguration {
        TLSConfiguration(certificateChainFile: path("\(certificate).pem"), privateKeyFile: path("\(certificate).key"))
    }

    /// A client's side, with this CA as the only one.
    var client: TLSConfiguration {
        var configuration = TLSConfiguration()
        configuration.trustRoots = .file(path("ca.pem"))
        return configuration
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    private init() {
        var template = Array("/tmp/leat-tls-XXXXXX".utf8CString)
        mkdtemp(&template)
        directory = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        let script = """
            cd \(directory) && exec >/dev/null 2>&1
            make() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $1.key -out $1.csr -subj "/CN=$1" && shift; }
            sign() { printf "subjectAltName=$2\\n" > $1.ext
            openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile $1.ext -out $1.pem $3; }
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -keyout ca.key -out ca.pem -subj /CN=leat-test-ca
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -keyout self.key -out self.pem -subj /CN=localhost \
            -addext subjectAltName=DNS:localhost,IP:127.0.0.1
            for name in good other expired client; do make $name; done
            sign good DNS:localhost,IP:127.0.0.1 "-days 30"
            sign other DNS:elsewhere.test "-days 30"
            sign client DNS:client.test "-days 30"
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout common.key -out common.csr -subj /CN=localhost
            openssl x509 -req -in common.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -out common.pem
            make below; sign below DNS:www.below.test "-days 30"
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout member.key -out member.csr -utf8 \
            -subj "/O=Mühle, Söhne/CN=ada"
            sign member DNS:ada.test "-days 30"
            openssl x509 -in member.pem -outform DER -out member.der
            openssl dgst -sha256 -binary -out member.sha256 member.der
            openssl ec -in good.key -aes256 -passout pass:secret -out locked.key
            printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\\n' > expired.ext
            mkdir db; touch db/index; echo 01 > db/serial
            printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=db/index\\nserial=db/serial\\nnew_certs_dir=db\\ndefault_md=sha256\\npolicy=p\\n[p]\\ncommonName=supplied\\n' > ca.cnf
            openssl ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key -in expired.csr -extfile expired.ext \
            -startdate 20200101000000Z -enddate 20200201000000Z -out expired.pem
            """
        system(script)
        atexit { system("rm -rf \(TLSFixtures.shared.directory)") }
    }
}
