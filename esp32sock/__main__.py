from esp32sock.cli import main

raise SystemExit(main())
