// Package download brings a package's files into the inactive places of an
// upgrade: verified chunk by chunk, resumable at any cut, from servers that
// are not trusted with anything. It is the only door to minio-go and go-getter.
//
// One flow through it: Fetch reads back what its places hold already and keeps
// every chunk whose hash is right (target). It asks the first usable address
// (addresses) for the first run of missing chunks with one range request
// (request, s3), judges status and headers (answer), and reads the body chunk
// by chunk (stream): a chunk is held in memory until its hash is the signed
// one, then written and synced. So a cut at any moment costs at most the one
// chunk that was in memory, and no wrong byte ever reaches a place. A file is
// fetched by one stream for the same reason: two streams would lose two
// chunks.
//
// What a server can do wrong costs one attempt and the next address is asked;
// the count starts again with every new verified chunk. When the count reaches
// its limit the download has failed; when addresses have expired, are
// forbidden or have all failed, the caller is asked for other ones.
//
// The whole file's SHA-256 is checked too. It is implied by the chunk hashes,
// which the same signature covers, unless the manifest contradicts itself; so
// it is computed beside the stream, and only what arrived out of order is read
// back for it.
//
// A job that names a package file at hand, such as on a USB stick, takes its
// chunks from there, by the same hashes, and asks no server.
//
// Devices behind one gateway often need the same files at about the same time. A
// Cache is for them: bounded, verified chunk by chunk like everything else, and
// never needed. Whoever comes first fetches a file, the others take it there.
//
// Beside Fetch there are Verify, which checks bytes that are there, and Unpacker,
// which unpacks archives under limits. It uses go-getter and trusts it as little
// as a server: a pass over the archive comes before its unpacking.
//
// The package does not verify signatures, decode or apply images, or decide
// what to do after a failure. The build tags nos3 and noarchive leave minio-go
// and go-getter out of the program; what needs them then says so.
package download
