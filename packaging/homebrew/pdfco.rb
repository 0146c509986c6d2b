# Made by packaging/build.sh from packaging/homebrew/pdfco.rb: the words between @ are filled in for each release.
class Pdfco < Formula
  desc "PDF.co document jobs for AI assistants (MCP) and for the command-line"
  homepage "https://github.com/pdfco-mcp/pdfco"
  license any_of: ["MIT", "Apache-2.0"]

  on_macos do
    on_arm do
      url "https://github.com/pdfco-mcp/pdfco/releases/download/v@VERSION@/pdfco-v@VERSION@-aarch64-apple-darwin.tar.gz"
      sha256 "@SHA256_aarch64-apple-darwin@"
    end
    on_intel do
      url "https://github.com/pdfco-mcp/pdfco/releases/download/v@VERSION@/pdfco-v@VERSION@-x86_64-apple-darwin.tar.gz"
      sha256 "@SHA256_x86_64-apple-darwin@"
    end
  end

  on_linux do
    on_arm do
      url "https://github.com/pdfco-mcp/pdfco/releases/download/v@VERSION@/pdfco-v@VERSION@-aarch64-unknown-linux-musl.tar.gz"
      sha256 "@SHA256_aarch64-unknown-linux-musl@"
    end
    on_intel do
      url "https://github.com/pdfco-mcp/pdfco/releases/download/v@VERSION@/pdfco-v@VERSION@-x86_64-unknown-linux-musl.tar.gz"
      sha256 "@SHA256_x86_64-unknown-linux-musl@"
    end
  end

  def install
    bin.install "pdfco"
    man1.install "pdfco.1"
    prefix.install "THIRD-PARTY-NOTICES.txt"
    generate_completions_from_executable(bin/"pdfco", "completions")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/pdfco --version")
    assert_match '"status":"success"', shell_output("#{bin}/pdfco call html-to-pdf --html '<p>hello</p>' --simulate --json")
  end
end
