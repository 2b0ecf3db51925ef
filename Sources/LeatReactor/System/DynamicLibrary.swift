import Glibc

/// A library of the system that is loaded when it is first needed (dlopen(3)) and never unloaded: nothing is linked, and a
/// program that does not need it runs without.
///
/// Functions are looked up by handle only, so another library of the same kind in the process does not get in between.
package struct DynamicLibrary: @unchecked Sendable {
    /// Why a library cannot be used, in dlopen's words.
    package struct LoadError: Error, CustomStringConvertible {
        package let description: String
    }

    private let name: String
    private let handle: UnsafeMutableRawPointer

    /// Loads a library by its name, such as `libz.so.1`.
    package init(_ name: String) throws(LoadError) {
        guard let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
            throw LoadError(description: dlerror().map { String(cString: $0) } ?? "\(name) cannot be loaded")
        }
        self.name = name
        self.handle = handle
    }

    /// The function of this name. Its type, a C function's, is the caller's word and cannot be checked.
    package func function<Function>(_ name: String, as: Function.Type = Function.self) throws(LoadError) -> Function {
        precondition(MemoryLayout<Function>.size == MemoryLayout<UnsafeRawPointer>.size, "not a C function")
        guard let address = dlsym(handle, name) else { throw LoadError(description: "\(self.name) has no \(name)") }
        return unsafeBitCast(address, to: Function.self)
    }
}
