// What users import: the four modules as one.
@_exported public import LeatHTTP
@_exported public import LeatLoop
@_exported public import LeatNet
@_exported public import LeatReactor
